//! Sends the parts of traces to a collector by OTLP, where the build has the feature `otlp` and
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is set.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider as _},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, registry::LookupSpan};

use super::TraceContext;

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Sends what is left when it is dropped at the end of the process.
pub(crate) struct Exporter(SdkTracerProvider);

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last parts of traces were not sent to the collector");
        }
    }
}

/// The layer that sends, and what ends it; `None` without an address of a collector.
pub(crate) fn layer<S>() -> Option<(impl Layer<S>, Exporter)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if !ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return None;
    }
    let exporter = match SpanExporter::builder().with_http().build() {
        Ok(exporter) => exporter,
        Err(error) => {
            eprintln!("warning: no traces are sent to the collector: {error}");
            return None;
        }
    };
    Some(through(exporter))
}

fn through<S>(exporter: SpanExporter) -> (impl Layer<S>, Exporter)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let service = Resource::builder().with_service_name(env!("CARGO_PKG_NAME")).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(service).build();
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    (tracing_opentelemetry::layer().with_tracer(tracer), Exporter(provider))
}

/// Makes the span a part of the trace, and gives the number that the collector knows it by.
pub(super) fn adopt(span: &Span, parent: TraceContext) -> TraceContext {
    let (trace, flags) = (TraceId::from(parent.trace), TraceFlags::new(parent.flags));
    let remote = SpanContext::new(trace, SpanId::from(parent.span), flags, true, TraceState::NONE);
    let adopted = span.set_parent(Context::new().with_remote_span_context(remote));
    let context = span.context();
    let own = context.span().span_context().clone();
    if adopted.is_err() || !own.is_valid() || own.trace_id() != trace {
        return parent.child();
    }
    let number = u64::from_be_bytes(own.span_id().to_bytes());
    TraceContext { span: number, flags: own.trace_flags().to_u8(), ..parent }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use opentelemetry_otlp::WithExportConfig;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Takes one request and answers it as a collector does; its first line and its body.
    fn collector(listener: &TcpListener) -> (String, Vec<u8>) {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (vec![], [0; 4096]);
        loop {
            let head = request.windows(4).position(|window| window == b"\r\n\r\n").map(|end| end + 4);
            if let Some(head) = head {
                let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
                let length = text.split("content-length:").nth(1).unwrap().split_whitespace().next().unwrap();
                if request.len() >= head + length.parse::<usize>().unwrap() {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                    let line = String::from_utf8_lossy(&request).lines().next().unwrap().to_owned();
                    return (line, request.split_off(head));
                }
            }
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the request ends early");
            request.extend_from_slice(&chunk[..read]);
        }
    }

    #[test]
    fn a_part_of_a_trace_reaches_the_collector_under_the_trace_that_it_belongs_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let received = thread::spawn(move || collector(&listener));
        let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build().unwrap();
        let (layer, exporter) = through(exporter);
        let parent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let own = tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::error_span!("message", message_id = "5eed0000-0000-4000-8000-000000000001");
            let own = adopt(&span, parent);
            span.in_scope(|| {});
            own
        });
        assert_eq!((own.trace, own.span == parent.span), (parent.trace, false));
        drop(exporter);
        let (line, body) = received.join().unwrap();
        assert_eq!(line, "POST /v1/traces HTTP/1.1");
        let trace = parent.trace.to_be_bytes();
        for (what, bytes) in [
            ("trace", &trace[..]),
            ("parent", &parent.span.to_be_bytes()),
            ("part", &own.span.to_be_bytes()),
            ("name", b"message"),
            ("label", b"5eed0000-0000-4000-8000-000000000001"),
            ("service", env!("CARGO_PKG_NAME").as_bytes()),
        ] {
            assert!(body.windows(bytes.len()).any(|window| window == bytes), "{what}");
        }
    }
}
