//! Records: a hash each, of its revision and its value.

use std::time::Duration;

use hangup_cluster::engine::{Answer, Claims, EngineError, Record, Revision, Swapped};
use redis::Value;

use crate::answer::{array, bytes, life, number, strange};
use crate::engine::{Adopted, Life, Redis};
use crate::limits::{check_name, check_value, milliseconds};
use crate::script::{ADOPT, LOAD, SWAP};

impl Claims for Redis {
    fn adopt(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let begin = Life::random()?.to_string();
            let answer = self
                .call(
                    None,
                    &ADOPT,
                    &[&self.incarnation_key()],
                    &[begin.as_bytes()],
                )
                .await?;
            let [life_, process] = array(answer)?;
            self.set_adopted(Adopted {
                life: life(&life_)?,
                process: String::from_utf8(bytes(process)?).map_err(EngineError::unknown)?,
            });
            Ok(())
        })
    }

    fn load<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async move {
            check_name(name)?;
            let adopted = self.adopted().ok_or(EngineError::Forgotten)?;
            let life = adopted.life.to_string();
            let keys = [self.incarnation_key(), self.record_key(name)];
            let keys = keys.each_ref().map(String::as_str);
            let arguments = [life.as_bytes()];
            match self.call(Some(&adopted), &LOAD, &keys, &arguments).await? {
                Value::Nil => Err(EngineError::Forgotten),
                Value::Array(none) if none.is_empty() => Ok(None),
                record => {
                    let [revision, value, _life] = array(record)?;
                    Ok(Some(Record {
                        revision: Revision(number(&revision)?),
                        value: bytes(value)?,
                    }))
                }
            }
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<Revision>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, Swapped> {
        Box::pin(async move {
            check_name(name)?;
            check_value(&value)?;
            let adopted = self.adopted().ok_or(EngineError::Forgotten)?;
            let life = adopted.life.to_string();
            let keys = [
                self.incarnation_key(),
                self.key(format_args!("revision")),
                self.record_key(name),
            ];
            let keys = keys.each_ref().map(String::as_str);
            let expected = expected.map_or_else(String::new, |revision| revision.to_string());
            let ttl = ttl.map_or_else(String::new, milliseconds);
            let arguments = [life.as_bytes(), expected.as_bytes(), &value, ttl.as_bytes()];
            match self.call(Some(&adopted), &SWAP, &keys, &arguments).await? {
                Value::Nil => Err(EngineError::Forgotten),
                Value::Int(0) => Ok(Swapped::Conflict),
                answer @ Value::BulkString(_) => Ok(Swapped::Done(Revision(number(&answer)?))),
                answer => Err(strange(&answer)),
            }
        })
    }
}

impl Redis {
    fn record_key(&self, name: &str) -> String {
        self.key(format_args!("r:{name}"))
    }
}
