//! A steady rate: at most this many items a second, however fast they are processed.

use std::{num::NonZeroU32, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{MissedTickBehavior, interval};

/// The items in order, at most `rate` a second. A pause is not compensated by a burst.
pub fn paced<T>(items: impl IntoIterator<Item = T>, rate: NonZeroU32) -> impl Stream<Item = T> {
    let between = Duration::from_secs(1) / rate.get();
    // The timer has a resolution of one millisecond; a faster rate is limited by it.
    let mut ticks = interval(between.max(Duration::from_micros(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((items.into_iter(), ticks), |(mut items, mut ticks)| async move {
        let item = items.next()?;
        ticks.tick().await;
        Some((item, (items, ticks)))
    })
}
