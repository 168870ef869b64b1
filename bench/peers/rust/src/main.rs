//! Tokio's and dtact's side of the head to head: bench/peers/protocol.py says how they talk.
//! `bitaxon-peers tokio|dtact`, on two workers.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

const WORKERS: usize = 2;

/// Spawns so many tasks, one by one, and waits for all; the number of those that ran.
trait Runtime {
    fn spawn(&self, tasks: usize) -> u64;
}

struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    fn spawn(&self, tasks: usize) -> u64 {
        let ran = Arc::new(AtomicU64::new(0));
        let seen = ran.clone();
        self.0.block_on(async move {
            // From inside a worker, as a program would.
            tokio::spawn(async move {
                let mut handles = Vec::with_capacity(tasks);
                for _ in 0..tasks {
                    handles.push(tokio::spawn(async { 1u64 }));
                }
                for handle in handles {
                    seen.fetch_add(handle.await.unwrap(), Ordering::Relaxed);
                }
            })
            .await
            .unwrap();
        });
        ran.load(Ordering::Relaxed)
    }
}

struct Dtact;

impl Runtime for Dtact {
    fn spawn(&self, tasks: usize) -> u64 {
        let ran = Arc::new(AtomicU64::new(0));
        let counted = ran.clone();
        type Builder = dtact::api::SpawnBuilder<dtact::CrossThreadNoFloat>;
        let all = Builder::new().spawn(async move {
            let mut handles = Vec::with_capacity(tasks);
            for _ in 0..tasks {
                let counted = counted.clone();
                handles.push(Builder::new().spawn(async move {
                    counted.fetch_add(1, Ordering::Relaxed);
                }));
            }
            for handle in handles {
                dtact::dtact_await(handle);
            }
        });
        dtact::dtact_await(all);
        ran.load(Ordering::Relaxed)
    }
}

fn start_dtact() -> Dtact {
    let runtime = dtact::GLOBAL_RUNTIME.get_or_init(|| dtact::Runtime {
        scheduler: dtact::dta_scheduler::DtaScheduler::new(
            WORKERS,
            dtact::dta_scheduler::TopologyMode::P2PMesh,
        ),
        pool: dtact::memory_management::ContextPool::new(
            8192,
            64 * 1024,
            dtact::memory_management::SafetyLevel::Safety0,
            0,
        )
        .expect("no memory for dtact's fibers"),
        started: AtomicBool::new(false),
        shutdown: AtomicBool::new(false),
    });
    runtime.start();
    Dtact
}

/// The number behind a key of a request, which is one flat object.
fn number(line: &str, key: &str) -> Option<usize> {
    let rest = line.split(key).nth(1)?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

fn main() {
    let (name, version, runtime): (&str, &str, Box<dyn Runtime>) =
        match std::env::args().nth(1).as_deref() {
            Some("tokio") => {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(WORKERS)
                    .build()
                    .expect("no tokio runtime");
                ("Tokio", "1", Box::new(Tokio(runtime)))
            }
            Some("dtact") => ("dtact", "0.2", Box::new(start_dtact())),
            _ => {
                eprintln!("usage: bitaxon-peers tokio|dtact");
                std::process::exit(2);
            }
        };
    let mut out = std::io::stdout();
    let mut say = |text: String| {
        writeln!(out, "{text}").and_then(|()| out.flush()).expect("nobody reads");
    };
    say(format!(r#"{{"peer": "{name}", "version": "{version}"}}"#));
    let mut tasks = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("input is text");
        if line.contains("prepare") {
            match number(&line, "spawn-") {
                Some(count) if line.contains("spawn-") => {
                    tasks = count;
                    say(format!(r#"{{"values": [{}]}}"#, runtime.spawn(tasks)));
                }
                _ => say(r#"{"missing": "has no such work"}"#.to_string()),
            }
        } else {
            let calls = number(&line, "time").unwrap_or(1);
            let start = Instant::now();
            for _ in 0..calls {
                runtime.spawn(tasks);
            }
            say(format!(r#"{{"seconds": {}}}"#, start.elapsed().as_secs_f64()));
        }
    }
    std::process::exit(0);
}
