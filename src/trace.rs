//! Traces: what goes back to one message, across processes and in every log line.
//!
//! A message brings its trace in the attribute `traceparent` (W3C Trace Context). The trace is passed on with the call to
//! Manage POM Cases, stored with the events, shown in the sessions of Delius while a write is applied, and sent with the
//! outcome notice. A message without one gets a trace that follows from its id, so that it has the same trace however
//! often it is delivered and tried.

#[cfg(feature = "otlp")]
mod export;

use std::fmt;

use futures_util::{FutureExt, future::BoxFuture};
use sha2::{Digest, Sha256};
use tracing::{Instrument, Span};

#[cfg(feature = "otlp")]
pub(crate) use export::{Exporter, layer};

/// Name of the header and of the message attribute.
pub const TRACEPARENT: &str = "traceparent";

/// The flag of a trace that is to be kept.
const SAMPLED: u8 = 1;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Which trace a piece of work belongs to, and which part of it that is. Printed, it is a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceContext {
    /// Reads a `traceparent`; `None` for anything that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may have more parts.
        if hex(version, 2)? == 0xff || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let (trace, span) = (hex(trace, 32)?, hex(span, 16)?);
        let (span, flags) = (u64::try_from(span).ok()?, u8::try_from(hex(flags, 2)?).ok()?);
        (trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// The context of something that brings none. It follows from the identity.
    pub fn of_identity(identity: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(identity.as_bytes()).into();
        let trace = digest[..16].iter().fold(0, |trace, byte| trace << 8 | u128::from(*byte));
        let span = digest[16..24].iter().fold(0, |span, byte| span << 8 | u64::from(*byte));
        // Zero is not allowed.
        Self { trace: trace.max(1), span: span.max(1), flags: SAMPLED }
    }

    /// Another part of the same trace.
    fn child(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }

    /// The trace, as log lines show it.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A number of exactly so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let valid = text.len() == digits && text.bytes().all(is_digit);
    if valid { u128::from_str_radix(text, 16).ok() } else { None }
}

/// The context of the work that calls this, if it belongs to a trace.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// Does work as a part of the trace, with the labels of the span on each of its log lines.
pub(crate) fn within<'a, T: 'a>(
    span: Span,
    parent: TraceContext,
    work: impl Future<Output = T> + Send + 'a,
) -> BoxFuture<'a, T> {
    #[cfg(feature = "otlp")]
    let context = export::adopt(&span, parent);
    #[cfg(not(feature = "otlp"))]
    let context = parent.child();
    // On the heap: this work is large, and each wrapper would hold it on the stack once more.
    Box::pin(CURRENT.scope(context, work.boxed().instrument(span)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_printed_as_it_came() {
        let context = TraceContext::parse(GIVEN).unwrap();
        assert_eq!(context.to_string(), GIVEN);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(TraceContext::parse(&GIVEN.replacen("00", "cc", 1)).unwrap(), context, "a later version");
        assert_eq!(TraceContext::parse(&(GIVEN.replacen("00", "cc", 1) + "-more")).unwrap(), context);
    }

    #[test]
    fn what_is_no_traceparent_is_not_taken_for_one() {
        for wrong in [
            "",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf9-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_trace_that_is_made_follows_from_the_identity() {
        let made = TraceContext::of_identity("6f1d2b7e-0000-4000-8000-000000000001");
        assert_eq!(made, TraceContext::of_identity("6f1d2b7e-0000-4000-8000-000000000001"));
        assert_ne!(made.trace_id(), TraceContext::of_identity("another").trace_id());
        assert_eq!(TraceContext::parse(&made.to_string()), Some(made));
    }

    #[tokio::test]
    async fn work_within_a_trace_is_a_part_of_its_own() {
        assert_eq!(current(), None);
        let parent = TraceContext::parse(GIVEN).unwrap();
        let own = within(Span::none(), parent, async { current() }).await.unwrap();
        assert_eq!(own.trace_id(), parent.trace_id());
        assert_ne!(own, parent);
    }
}
