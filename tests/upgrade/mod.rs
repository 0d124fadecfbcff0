//! Data directories of before: of the Node version, of earlier releases, and of later ones.

mod kept;
mod newer;
mod node;
