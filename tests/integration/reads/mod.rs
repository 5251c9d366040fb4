mod cache;
mod directory;
mod edges;
mod fields;
mod replicas;
