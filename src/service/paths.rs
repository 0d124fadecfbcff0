//! Which paths may be touched, decided on the path that is really opened.
