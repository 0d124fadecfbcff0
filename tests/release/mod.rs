//! What goes to people: which commit the program says it is of.

mod commit;
