//! Who may call, with which key and which permissions; live.
