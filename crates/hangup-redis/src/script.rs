//! The scripts that the server runs.

use std::sync::LazyLock;

use redis::Cmd;

use crate::server::Server;

/// A script, which the server knows by its hash once it has run it.
pub(crate) struct Script {
    source: &'static str,
    hash: LazyLock<String>,
    /// Whether it may begin a life, and is told of the server that it runs on.
    begins: bool,
    /// Whether it may be run again when it is not known whether it ran.
    pub(crate) repeatable: bool,
}

/// What a script is run with.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) script: &'static Script,
    pub(crate) keys: &'a [&'a str],
    pub(crate) arguments: &'a [&'a [u8]],
}

impl Call<'_> {
    pub(crate) fn by_hash(&self, on: &Server) -> Cmd {
        self.command("EVALSHA", &self.script.hash, on)
    }

    pub(crate) fn by_source(&self, on: &Server) -> Cmd {
        self.command("EVAL", self.script.source, on)
    }

    fn command(&self, name: &str, script: &str, on: &Server) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in self.keys {
            command.arg(*key);
        }
        if self.script.begins {
            command.arg(on.process()).arg(on.durable());
        }
        for argument in self.arguments {
            command.arg(*argument);
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident = [$($file:literal),*], begins: $begins:literal, repeatable: $repeatable:literal;)*) => {
        $(pub(crate) static $name: Script = Script {
            source: concat!($(include_str!($file)),*),
            hash: LazyLock::new(|| redis::Script::new($name.source).get_hash().to_owned()),
            begins: $begins,
            repeatable: $repeatable,
        };)*
    };
}

scripts! {
    ADOPT = ["lua/life.lua", "lua/adopt.lua"], begins: true, repeatable: true;
    LOAD = ["lua/load.lua"], begins: false, repeatable: true;
    // A second run would take the write of the first for that of another.
    SWAP = ["lua/swap.lua"], begins: false, repeatable: false;
    SEND = ["lua/send.lua"], begins: false, repeatable: false;
    // The id is remembered.
    PUBLISH = ["lua/life.lua", "lua/publish.lua"], begins: true, repeatable: true;
    FETCH = ["lua/life.lua", "lua/fetch.lua"], begins: true, repeatable: true;
}
