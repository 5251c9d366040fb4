//! A steady pace: so many items a second and no more, however fast they are worked off.

use std::{num::NonZeroU32, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{MissedTickBehavior, interval};

/// The items, one after the other, at most `rate` a second. A pause is not made up for.
pub fn paced<T>(items: impl IntoIterator<Item = T>, rate: NonZeroU32) -> impl Stream<Item = T> {
    let between = Duration::from_secs(1) / rate.get();
    // A pace too fast for the clock is the clock's own.
    let mut ticks = interval(between.max(Duration::from_micros(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((items.into_iter(), ticks), |(mut items, mut ticks)| async move {
        let item = items.next()?;
        ticks.tick().await;
        Some((item, (items, ticks)))
    })
}
