//! Prints what was measured.

use crate::{Round, Turn};

/// Gate and aim of the whole after-path by ack level and connections.
const TARGETS: [(&str, usize, f64, f64); 5] = [
    ("memory", 64, 0.60, 0.70),
    ("memory", 2, 0.85, 0.95),
    ("os", 64, 0.55, 0.65),
    ("os", 2, 0.70, 0.85),
    ("fsync", 64, 0.40, 0.50),
];

/// One row per number of connections, then where the bridge's processor time went.
pub fn print(ack: &str, all: &[(usize, Vec<Round>)]) {
    println!("ack level {ack}");
    println!(
        "{:>5} {:>9} {:>9}  {:<19} {:<19} {:>5} {:>5}  {:>15} {:>15} {:>11}",
        "conns",
        "bare/s",
        "ours/s",
        "ratio (min–max)",
        "CPU ratio (min–max)",
        "gate",
        "aim",
        "µs/req bare→our",
        "p50 µs",
        "p99 µs"
    );
    for (connections, rounds) in all {
        let bare = |of: fn(&Turn) -> f64| middle(rounds.iter().map(|round| of(&round.bare)));
        let ours = |of: fn(&Turn) -> f64| middle(rounds.iter().map(|round| of(&round.bridge)));
        let rate = spread(rounds.iter().map(|round| round.bridge.rate() / round.bare.rate()));
        let processor = |round: &Round| round.bare.processor_us() / round.bridge.processor_us();
        let processor = spread(rounds.iter().map(processor));
        let target = TARGETS.iter().find(|(level, of, ..)| *level == ack && of == connections);
        let target = target.map(|(_, _, gate, aim)| (*gate, *aim));
        let shown = |part: Option<f64>| part.map_or("–".to_owned(), |part| format!("{part:.2}"));
        let (gate, aim) = (shown(target.map(|(gate, _)| gate)), shown(target.map(|(_, aim)| aim)));
        let pair = |of: fn(&Turn) -> f64| format!("{:.1} → {:.1}", bare(of), ours(of));
        println!(
            "{connections:>5} {:>9.0} {:>9.0}  {rate:<19} {processor:<19} {gate:>5} {aim:>5}  {:>15} {:>15} {:>11}",
            bare(Turn::rate),
            ours(Turn::rate),
            pair(Turn::processor_us),
            pair(|turn| turn.run.latency.value_at_quantile(0.5) as f64 / 1000.0),
            format!(
                "{:.0} → {:.0}",
                bare(|turn| turn.run.latency.value_at_quantile(0.99) as f64 / 1000.0),
                ours(|turn| turn.run.latency.value_at_quantile(0.99) as f64 / 1000.0)
            ),
        );
    }
    for (connections, rounds) in all {
        println!("\n{connections} connections, µs of the bridge's threads per request:");
        for (name, spent) in by_thread(rounds) {
            println!("  {name:<16} {spent:>6.2}");
        }
        let busy = |of: fn(&Round) -> f64| middle(rounds.iter().map(of));
        println!(
            "  (the sender was busy {:.0} % of the bare server's time and {:.0} % of the bridge's; \
             the servers {:.0} % and {:.0} %)",
            100.0 * busy(|round| round.bare.run.busy),
            100.0 * busy(|round| round.bridge.run.busy),
            busy(|round| round.bare.processor_us() * round.bare.rate() / 1e4),
            busy(|round| round.bridge.processor_us() * round.bridge.rate() / 1e4),
        );
    }
}

/// Threads that cost anything, the dearest first.
fn by_thread(rounds: &[Round]) -> Vec<(String, f64)> {
    let mut threads: Vec<(String, f64)> = Vec::new();
    let requests: u64 = rounds.iter().map(|round| round.bridge.run.requests).sum();
    for (name, spent) in rounds.iter().flat_map(|round| &round.bridge.processor_ns) {
        let spent = *spent as f64 / 1000.0 / requests as f64;
        match threads.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += spent,
            None => threads.push((name.clone(), spent)),
        }
    }
    threads.retain(|(_, spent)| *spent >= 0.005);
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    threads
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let values = sorted(values);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 1 => values[half],
        values => f64::midpoint(values[half - 1], values[half]),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    let values = sorted(values);
    let ends = values.first().zip(values.last());
    let (low, high) = ends.map_or((f64::NAN, f64::NAN), |(low, high)| (*low, *high));
    format!("{:.2} ({low:.2}–{high:.2})", middle(values.iter().copied()))
}
