//! A queue with the semantics of SQS that the service relies on, at a cost per call that does not depend on its length.
//!
//! Messages become invisible when they are received, visible again when their visibility timeout ends, and go to the
//! dead-letter queue when they were received too often. Receiving, hiding and deleting are O(1), apart from the heap of
//! visibility timeouts, which is O(log n) of the messages in flight.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

/// A message as one receive returns it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) handle: String,
    pub(crate) body: String,
    pub(crate) receives: u32,
    pub(crate) sent_ms: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) dead: usize,
}

/// See the module.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
    max_receives: u32,
}

#[derive(Default)]
struct Inner {
    next: u64,
    messages: HashMap<u64, Message>,
    /// Ids in order of arrival. The id of a message that was deleted meanwhile is skipped.
    visible: VecDeque<u64>,
    /// Ends of visibility timeouts. One that was changed since is skipped.
    timeouts: BinaryHeap<Reverse<(Instant, u64)>>,
    in_flight: usize,
    dead: usize,
}

struct Message {
    body: String,
    sent_ms: u128,
    receives: u32,
    hidden_until: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(max_receives: u32) -> Self {
        Self { inner: Mutex::default(), arrived: Notify::new(), max_receives }
    }

    /// Adds messages, all visible at the same moment.
    pub(crate) fn send(&self, bodies: impl IntoIterator<Item = String>) {
        let sent_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        {
            let mut inner = self.lock();
            for body in bodies {
                let id = inner.next;
                inner.next += 1;
                inner.messages.insert(id, Message { body, sent_ms, receives: 0, hidden_until: None });
                inner.visible.push_back(id);
            }
        }
        self.arrived.notify_waiters();
    }

    /// Receives up to `limit` messages; waits up to `wait` for the first one.
    pub(crate) async fn receive(&self, limit: usize, visibility: Duration, wait: Duration) -> Vec<Received> {
        let until = Instant::now() + wait;
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // Registered before looking, so that a message that arrives in between wakes this poll.
            arrived.as_mut().enable();
            let received = self.lock().receive(limit, visibility, self.max_receives);
            if !received.is_empty() || Instant::now() >= until {
                return received;
            }
            let pause = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(250));
            let _ = tokio::time::timeout(pause, arrived).await;
        }
    }

    pub(crate) fn delete(&self, handle: &str) -> bool {
        self.lock().delete(handle)
    }

    pub(crate) fn change_visibility(&self, handle: &str, visibility: Duration) -> bool {
        let changed = self.lock().hide(handle, visibility);
        if visibility.is_zero() {
            self.arrived.notify_waiters();
        }
        changed
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut inner = self.lock();
        inner.return_timed_out(Instant::now());
        let visible = inner.messages.len() - inner.in_flight;
        Counts { visible, in_flight: inner.in_flight, dead: inner.dead }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn return_timed_out(&mut self, now: Instant) {
        while let Some(&Reverse((end, id))) = self.timeouts.peek()
            && end <= now
        {
            self.timeouts.pop();
            if let Some(message) = self.messages.get_mut(&id)
                && message.hidden_until == Some(end)
            {
                message.hidden_until = None;
                self.in_flight -= 1;
                self.visible.push_back(id);
            }
        }
    }

    fn receive(&mut self, limit: usize, visibility: Duration, max_receives: u32) -> Vec<Received> {
        let now = Instant::now();
        self.return_timed_out(now);
        let mut received = Vec::with_capacity(limit);
        while received.len() < limit
            && let Some(id) = self.visible.pop_front()
        {
            let Some(message) = self.messages.get_mut(&id) else { continue };
            if message.receives >= max_receives {
                self.messages.remove(&id);
                self.dead += 1;
                continue;
            }
            let end = now + visibility;
            message.receives += 1;
            message.hidden_until = Some(end);
            self.timeouts.push(Reverse((end, id)));
            self.in_flight += 1;
            received.push(Received {
                id: format!("00000000-0000-4000-8000-{id:012x}"),
                handle: format!("{id}-{}", message.receives),
                body: message.body.clone(),
                receives: message.receives,
                sent_ms: message.sent_ms,
            });
        }
        received
    }

    /// As with SQS, an older receipt handle of a message still deletes it.
    fn delete(&mut self, handle: &str) -> bool {
        let Some(id) = id_of(handle) else { return false };
        if let Some(message) = self.messages.remove(&id)
            && message.hidden_until.is_some()
        {
            self.in_flight -= 1;
        }
        true
    }

    fn hide(&mut self, handle: &str, visibility: Duration) -> bool {
        let Some(id) = id_of(handle) else { return false };
        let Some(message) = self.messages.get_mut(&id) else { return false };
        // Only a message in flight has a visibility timeout to change.
        if message.hidden_until.is_none() {
            return false;
        }
        let end = Instant::now() + visibility;
        message.hidden_until = Some(end);
        self.timeouts.push(Reverse((end, id)));
        true
    }
}

fn id_of(handle: &str) -> Option<u64> {
    handle.split('-').next()?.parse().ok()
}
