//! Several gateways in one process, on one engine in memory.

#[expect(dead_code, reason = "its `main` is for the command line")]
#[path = "../../src/main.rs"]
mod gateway;
#[path = "../client/mod.rs"]
mod client;
mod resource;
mod node;
mod workers;
mod agents;

use gateway::settings::Settings;

#[test]
fn the_command_line_is_taken_as_it_is_meant_or_refused() {
    let parse = |args: &[&str]| {
        let args = args.iter().map(|arg| (*arg).to_owned());
        Settings::parse(args, None)
    };
    let settings = parse(&[
        "--cluster",
        "redis://127.0.0.1:1",
        "--node=a",
        "--lease",
        "3",
        "--margin=0.5",
        "--job-router",
        "http://127.0.0.1:2/",
    ]);
    let cluster = settings.unwrap().cluster;
    assert_eq!(cluster.node, "a");
    assert_eq!(cluster.lease.as_secs(), 3);
    assert_eq!(cluster.margin.unwrap().as_millis(), 500);
    assert!(cluster.job_router.is_some());
    assert!(cluster.engine.is_some());
    assert!(parse(&[]).unwrap().cluster.engine.is_none());
    let wrong: [&[&str]; 7] = [
        &["--cluster", "http://127.0.0.1"],
        &["--cluster"],
        &["--node", ""],
        &["--lease", "0"],
        &["--margin", "-1"],
        &["--job-router", "127.0.0.1:1"],
        &["--job-router", "http://127.0.0.1"],
    ];
    for args in wrong {
        let problem = parse(args).unwrap_err();
        assert!(problem.contains(args[0]), "{problem}");
    }
}
