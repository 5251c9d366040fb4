mod bulk;
mod erasure;
mod rebuild;
mod reconcile;
