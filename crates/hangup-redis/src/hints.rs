//! Hints: a channel for each inbox.

use hangup_cluster::engine::{Answer, HintStream, Hints};

use crate::engine::Redis;
use crate::hub::Wants;
use crate::limits::{check_plain_name, check_value};
use crate::script::SEND;

/// How many hints wait for a listener, before more are lost.
const ROOM: usize = 1024;

impl Hints for Redis {
    fn send<'a>(&'a self, inbox: &'a str, hint: Vec<u8>) -> Answer<'a, ()> {
        Box::pin(async move {
            check_plain_name(inbox)?;
            check_value(&hint)?;
            let channel = self.inbox_channel(inbox);
            self.call(None, &SEND, &[], &[channel.as_bytes(), &hint])
                .await?;
            Ok(())
        })
    }

    fn listen<'a>(&'a self, inbox: &'a str) -> Answer<'a, HintStream> {
        Box::pin(async move {
            check_plain_name(inbox)?;
            let hub = self.hub();
            let channel = self.inbox_channel(inbox);
            let listened = hub.subscribe(channel, Wants::Messages(ROOM)).await?;
            Ok(Box::pin(listened) as HintStream)
        })
    }
}

impl Redis {
    fn inbox_channel(&self, inbox: &str) -> String {
        self.key(format_args!("h:{inbox}"))
    }
}
