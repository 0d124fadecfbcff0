//! Running commands: started, streamed, ended with all they started.
