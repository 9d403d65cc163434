use std::fs;
use std::path::Path;

use adit::config::LogConfig;

use super::*;
use crate::clock::Clock;
use crate::log::Sink;

/// A runner, and a folder that goes with it.
struct Place {
    runner: Runner<u32, u32>,
    poller: Poller,
    clock: Clock,
    folder: PathBuf,
}

impl Place {
    fn new(test: &str, security: ScriptSecurity) -> Self {
        let folder = std::env::temp_dir().join(format!("adit-runner-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let clock = Clock::new();
        let sink = Sink::file(folder.join("log").to_str().unwrap(), false).unwrap();
        let log = Log::new(&LogConfig::default(), sink, clock, Rc::default());
        let runner = Runner::new(security, Some(folder.clone()), Rc::new(log));
        Self { runner, poller: Poller::new().unwrap(), clock, folder }
    }

    fn submit(&mut self, queue: u32, then: u32, command: &str) {
        self.submit_words(queue, then, &["/bin/sh", "-c", command], Env::default(), 60);
    }

    fn submit_words(&mut self, queue: u32, then: u32, words: &[&str], env: Env, seconds: u64) {
        let script = Script {
            hook: "--test",
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            env,
            timeout: Duration::from_secs(seconds),
            answers: false,
            then,
        };
        self.runner.submit(self.clock.now(), &self.poller, queue, script);
    }

    /// Goes round until nothing is left to wait for.
    fn run(&mut self) -> Vec<(u32, End)> {
        let mut all = Vec::new();
        while !self.runner.is_idle() {
            let now = self.clock.now();
            let timeout = self.runner.next_timeout().map(|at| at.since(now));
            self.poller.wait(timeout, &mut Vec::new()).unwrap();
            all.extend(self.runner.reap(self.clock.now(), &self.poller));
        }
        all
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    fn log(&self) -> Vec<String> {
        self.file("log").lines().map(|line| line["2016-07-24 09:35:09 ".len()..].to_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_script_gets_words_environment_and_nothing_else() {
    let mut place = Place::new("environment", ScriptSecurity::Scripts);
    let mut env = Env::default();
    env.set("common_name", "client 1");
    env.set("password", "secret");
    // The shell would add variables of its own; what it got is in its first bytes of memory.
    let words = [
        "/bin/sh",
        "-c",
        "tr '\\0' '\\n' </proc/$$/environ >env; echo \"$0|$1|$#\" >args; \
        readlink /proc/$$/fd/0 >in; ls /proc/$$/fd >fds; pwd >cwd",
        "a b",
        "$(id);c",
    ];
    place.submit_words(0, 1, &words, env, 60);
    assert_eq!(place.run(), [(1, End::Exit(0))]);
    assert_eq!(place.file("env"), "common_name=client 1\n");
    assert_eq!(place.file("args"), "a b|$(id);c|1\n");
    assert_eq!(place.file("in"), "/dev/null\n");
    assert_eq!(Path::new(place.file("cwd").trim()).file_name(), place.folder.file_name());
    // 0, 1, 2, and what the shell itself has open for redirections: nothing of ours, of which there is more.
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    let inherited = place.file("fds").lines().filter(|fd| fd.parse::<u32>().unwrap() < 10).count();
    assert!(open > 4 && inherited <= 4, "{}", place.file("fds"));
}

#[test]
fn passwords_are_there_with_level_3() {
    let mut place = Place::new("passwords", ScriptSecurity::Passwords);
    let mut env = Env::default();
    env.set("password", "secret");
    place.submit_words(0, 1, &["/bin/sh", "-c", "echo $password >out"], env, 60);
    place.run();
    assert_eq!(place.file("out"), "secret\n");
}

#[test]
fn below_level_2_nothing_runs() {
    let mut place = Place::new("security", ScriptSecurity::Builtin);
    place.submit(0, 1, "echo >out");
    place.submit(0, 2, "echo >out");
    assert_eq!(place.run(), [(1, End::Failed), (2, End::Failed)]);
    assert_eq!(place.file("out"), "");
    let refused = "WARNING: Failed running command (--test): disallowed by script-security setting";
    assert_eq!(
        place.log(),
        ["WARNING: scripts of your own are run only with 'script-security 2' or higher", refused, refused]
    );
}

#[test]
fn one_queue_keeps_its_order_and_holds_up_no_other() {
    let mut place = Place::new("order", ScriptSecurity::Scripts);
    let [first, second] = [1, 2];
    // The second one would be the first to write if it did not have to wait.
    place.submit(first, 1, "until [ -e go ]; do sleep 0.02; done; echo 1 >>out");
    place.submit(first, 2, "echo 2 >>out; exit 3");
    place.submit(second, 3, "echo 3 >>out; echo >go");
    let ends = place.run();
    assert_eq!(place.file("out"), "3\n1\n2\n");
    assert_eq!(ends, [(3, End::Exit(0)), (1, End::Exit(0)), (2, End::Exit(3))]);
    let failure = "WARNING: Failed running command (--test): external program exited with error status: 3";
    assert_eq!(place.log(), [failure]);
}

#[test]
fn those_that_have_not_begun_can_be_let_go() {
    let mut place = Place::new("cancel", ScriptSecurity::Scripts);
    place.submit(0, 1, "until [ -e go ]; do sleep 0.02; done");
    place.submit(0, 2, "echo >out");
    place.submit(0, 3, "exit 0");
    place.runner.cancel(&0, |then| *then <= 2);
    fs::write(place.folder.join("go"), "").unwrap();
    assert_eq!(place.run(), [(1, End::Exit(0)), (3, End::Exit(0))]);
    assert_eq!(place.file("out"), "");
}

#[test]
fn a_script_that_hangs_is_killed_with_what_it_started() {
    let mut place = Place::new("hang", ScriptSecurity::Scripts);
    // The pipe's other end is closed when the last of them is gone.
    place.submit_words(0, 1, &["/bin/sh", "-c", "sleep 1000 & echo $! >pid; wait"], Env::default(), 1);
    assert_eq!(place.run(), [(1, End::Failed)]);
    assert_eq!(
        place.log(),
        ["WARNING: Failed running command (--test): external program did not end in time, and was killed"]
    );
    let status = format!("/proc/{}/status", place.file("pid").trim());
    let is_alive = || fs::read_to_string(&status).is_ok_and(|status| !status.contains("State:\tZ"));
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while is_alive() {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let mut place = Place::new("start", ScriptSecurity::Scripts);
    place.submit_words(0, 1, &["/no/such/program"], Env::default(), 60);
    place.submit(0, 2, "kill -TERM $$");
    assert_eq!(place.run(), [(1, End::Failed), (2, End::Failed)]);
    assert_eq!(
        place.log(),
        [
            "WARNING: Failed running command (--test): could not execute external program \
             /no/such/program: No such file or directory",
            "WARNING: Failed running command (--test): external program did not exit normally (signal 15)",
        ]
    );
}

#[test]
fn there_is_a_limit_to_how_many_run_and_wait() {
    let mut place = Place::new("limit", ScriptSecurity::Scripts);
    for number in 0..MAX_RUNNING + 5 {
        place.submit(1 + number as u32, number as u32, "until [ -e go ]; do sleep 0.02; done");
    }
    assert_eq!((place.runner.running.len(), place.runner.waiting.len()), (MAX_RUNNING, 5));
    for _ in 5..MAX_WAITING {
        place.submit(0, 1, "exit 0");
    }
    place.submit(0, 4711, "exit 0");
    assert_eq!(place.runner.reap(place.clock.now(), &place.poller), [(4711, End::Failed)]);
    place.runner.cancel(&0, |_| true);
    fs::write(place.folder.join("go"), "").unwrap();
    assert_eq!(place.run().len(), MAX_RUNNING + 5);
}

#[test]
fn at_the_end_all_is_waited_for_but_not_for_ever() {
    let mut place = Place::new("finish", ScriptSecurity::Scripts);
    place.submit(0, 1, "sleep 0.1; echo 1 >>out");
    place.submit(0, 2, "echo 2 >>out");
    let clock = place.clock;
    let patience = Duration::from_secs(30);
    let ends = place.runner.finish(|| clock.now(), clock.now() + patience, None);
    assert_eq!(ends, [(1, End::Exit(0)), (2, End::Exit(0))]);
    assert_eq!(place.file("out"), "1\n2\n");
    place.submit(0, 3, "sleep 5");
    let begun = clock.now();
    assert_eq!(place.runner.finish(|| clock.now(), begun + Duration::from_millis(50), None), []);
    assert!(clock.now().since(begun) < Duration::from_secs(4));
}

#[test]
fn what_runs_is_killed_when_nobody_looks_after_it_any_more() {
    let mut place = Place::new("drop", ScriptSecurity::Scripts);
    // The shell tells its number, and that of what it has started.
    let command = |name: &str| format!("sleep 100 & echo $$ $! >{name}.new; mv {name}.new {name}; wait");
    for (queue, name) in [(0, "void"), (1, "last")] {
        place.submit(queue, queue, &command(name));
    }
    place.submit(0, 0, "echo begun >begun");
    while ["void", "last"].iter().any(|name| place.file(name).is_empty()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // A process that nobody has fetched the end of yet is a zombie.
    let lives = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    let clock = place.clock;
    let gone = |text: &str| {
        let patience = clock.now() + Duration::from_secs(30);
        while text.split_whitespace().any(lives) && clock.now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        !text.split_whitespace().any(lives)
    };
    let [void, last] = ["void", "last"].map(|name| place.file(name));
    place.runner.kill(|then| *then == 0);
    assert!(gone(&void));
    assert!(last.split_whitespace().all(lives));
    place.runner = Runner::new(ScriptSecurity::Scripts, None, Rc::clone(&place.runner.log));
    assert!(gone(&last));
    assert_eq!(place.file("begun"), "");
}
