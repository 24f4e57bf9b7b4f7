//! The scripts that the server runs.

use std::sync::LazyLock;

use redis::Cmd;

/// A script, which the server knows by its hash once it has run it.
pub(crate) struct Script {
    source: &'static str,
    hash: LazyLock<String>,
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
    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(crate) fn by_source(&self) -> Cmd {
        self.command("EVAL", self.script.source)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in self.keys {
            command.arg(*key);
        }
        for argument in self.arguments {
            command.arg(*argument);
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal, repeatable: $repeatable:literal;)*) => {
        $(pub(crate) static $name: Script = Script {
            source: include_str!($file),
            hash: LazyLock::new(|| {
                redis::Script::new(include_str!($file)).get_hash().to_owned()
            }),
            repeatable: $repeatable,
        };)*
    };
}

scripts! {
    ADOPT = "lua/adopt.lua", repeatable: true;
    LOAD = "lua/load.lua", repeatable: true;
    // A second run would take the write of the first for that of another.
    SWAP = "lua/swap.lua", repeatable: false;
    SEND = "lua/send.lua", repeatable: false;
    // The id is remembered.
    PUBLISH = "lua/publish.lua", repeatable: true;
    FETCH = "lua/fetch.lua", repeatable: true;
}
