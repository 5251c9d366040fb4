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
    let service = Resource::builder().with_service_name(env!("CARGO_PKG_NAME")).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(service).build();
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    Some((tracing_opentelemetry::layer().with_tracer(tracer), Exporter(provider)))
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
