mod bulk;
mod rebuild;
mod reconcile;
