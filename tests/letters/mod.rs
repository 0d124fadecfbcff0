//! Messages among three machines that are killed and cut off again and again: none is lost, none comes twice, none comes back.

mod ledger;
mod loss;
mod people;
