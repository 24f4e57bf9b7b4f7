//! `breaker --engine nats|redis|both [--long] [--gateway PATH] [WORD...]`: the scenarios whose names
//! have one of the words, or all, on these engines. Prints a table, and fails if a figure is worse
//! than its limit.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use hangup::runtime::shutdown_signal;
use hangup_breaker::engine::Kind;
use hangup_breaker::failure::Failure;
use hangup_breaker::gateway;
use hangup_breaker::report::Table;
use hangup_breaker::scenarios::ALL;
use hangup_breaker::stage::Lab;

const USAGE: &str =
    "usage: breaker [--engine nats|redis|both] [--long] [--gateway PATH] [--list] [WORD...]";

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::parse(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if settings.lists {
        for scenario in ALL {
            println!("{}", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    let signal = match shutdown_signal() {
        Ok(signal) => signal,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut table = Table::default();
    let ran = tokio::select! {
        ran = run(&settings, &mut table) => ran,
        // All processes end with the scenario that started them.
        () = signal => Err(Failure::Unexpected("ended by a signal".to_owned())),
    };
    print!("{table}");
    match (ran, table.unmet()) {
        (Ok(()), 0) => ExitCode::SUCCESS,
        (Ok(()), unmet) => {
            eprintln!("{unmet} figures are worse than their limits");
            ExitCode::FAILURE
        }
        (Err(failure), _) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    let gateway = match &settings.gateway {
        Some(path) => path.clone(),
        None => gateway::build().await?,
    };
    let mut ran = 0;
    for scenario in ALL {
        if !scenario.is_meant(&settings.words) {
            continue;
        }
        for &kind in &settings.engines {
            let lab = Lab {
                gateway: gateway.clone(),
                more: Vec::new(),
                kind,
                is_long: settings.is_long,
            };
            let begun = Instant::now();
            let rows = scenario.run(&lab).await;
            let unmet = rows.rows().iter().filter(|row| !row.is_met()).count();
            let (name, engine) = (scenario.name, kind.name());
            let took = begun.elapsed().as_secs_f64();
            eprintln!("{engine}: {name}: {unmet} worse, after {took:.1} s");
            table.add(engine, &rows);
            ran += 1;
        }
    }
    match ran {
        0 => Err(Failure::Unexpected(
            "no scenario has such a name".to_owned(),
        )),
        _ => Ok(()),
    }
}

struct Settings {
    engines: Vec<Kind>,
    is_long: bool,
    lists: bool,
    gateway: Option<PathBuf>,
    words: Vec<String>,
}

impl Settings {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self {
            engines: Kind::BOTH.to_vec(),
            is_long: false,
            lists: false,
            gateway: None,
            words: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} takes a value"))
            };
            match &argument[..] {
                "--engine" => settings.engines = engines(&value()?)?,
                "--gateway" => settings.gateway = Some(value()?.into()),
                "--long" => settings.is_long = true,
                "--list" => settings.lists = true,
                _ if argument.starts_with('-') => return Err(format!("what is {argument}?")),
                _ => settings.words.push(argument),
            }
        }
        Ok(settings)
    }
}

fn engines(name: &str) -> Result<Vec<Kind>, String> {
    match name {
        "nats" => Ok(vec![Kind::Nats]),
        "redis" => Ok(vec![Kind::Redis]),
        "both" => Ok(Kind::BOTH.to_vec()),
        _ => Err(format!("no engine is called `{name}`")),
    }
}

#[cfg(test)]
mod tests {
    use hangup_breaker::engine::Kind;

    use super::Settings;

    fn parse(line: &str) -> Result<Settings, String> {
        Settings::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_and_options_may_be_mixed() {
        let settings = parse("kill --engine redis --long stop --gateway ./g").unwrap();
        assert_eq!(settings.engines, [Kind::Redis]);
        assert!(settings.is_long && !settings.lists);
        assert_eq!(settings.gateway.unwrap().to_str(), Some("./g"));
        assert_eq!(settings.words, ["kill", "stop"]);
        assert_eq!(parse("").unwrap().engines, Kind::BOTH);
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for line in ["--engine", "--engine etcd", "--gateway", "--fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
