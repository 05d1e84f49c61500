//! The command line: one file per subcommand. Only here is printed, argv read and the process ended.

pub(crate) mod keys;
