//! The state machine: any mixture of work, faults, stops, kills and power losses.
//!
//! In: steps that proptest proposes. Out: after each step, what the log gives back is compared with
//! what it was given. A failure names the seed and the shortest list of steps that shows it. The
//! threads of the log run freely, so a seed repeats the steps, not every interleaving of them.

use super::oracle::{
    Promise, Refused, Truth, append_fresh, becomes_durable, compare, judge, walk, walk_within,
};
use super::{
    PATIENCE, assert_no_panic, effort, eventually, is_segment, open, record, seed, tiny,
    wait_durable,
};
use imbridge::journal::disk::{DiskLog, OpenError, Settings};
use imbridge::journal::storage::sim::{Disk, Failure, Fault, Operation, SimStorage};
use imbridge::journal::{Aside, Folder, Level, Log, Sequence};
use imbridge::record::Batch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for every timer of the log: checkpoints, syncs in the background, deletions.
const TIMERS: Duration = Duration::from_millis(260);
/// How long is waited for what faults may prevent.
const FAULTY: Duration = Duration::from_millis(15);

/// How a process ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As asked to.
    Stop,
    /// SIGKILL.
    Kill,
    /// The power goes; the number decides what is left.
    PowerLoss(u64),
    /// The power goes, and nothing is left that was not synced.
    ColdPowerLoss,
}

#[derive(Debug, Clone)]
enum Step {
    /// One batch of records of these sizes.
    Append(Vec<usize>),
    /// A record that may be dropped.
    TryAppend(usize),
    /// Waits until all is as safe as the level promises.
    WaitDurable,
    /// Reads everything back.
    Read,
    /// Confirms that share (of 255) of what is written.
    Confirm(u8),
    /// Puts an event of that size aside.
    Aside(usize),
    /// Lets timers run off.
    Pause,
    /// Orders a fault.
    Fail(Fault),
    /// Takes all faults back and makes room.
    Heal,
    /// Leaves room for so many more pages on the device.
    Room(u64),
    /// Ends the process and starts the next, which may meet a fault while it opens.
    Restart(End, Option<Fault>),
}

/// With what a run begins; nothing else decides which steps are possible.
#[derive(Debug, Clone)]
struct Setup {
    settings: Settings,
}

struct Machine;

fn fault() -> impl Strategy<Value = Fault> {
    let io = Just(Failure::Io);
    let write = prop_oneof![
        io,
        Just(Failure::Full),
        (0..300_usize).prop_map(Failure::Short),
        (0..300_usize).prop_map(Failure::IoAfter),
    ];
    let whole = prop_oneof![Just(Failure::Io), Just(Failure::Full)];
    let operation = prop_oneof![
        Just(Operation::Sync),
        Just(Operation::Sync),
        Just(Operation::Create),
        Just(Operation::Create),
        Just(Operation::Rename),
        Just(Operation::Remove),
        Just(Operation::Truncate),
        Just(Operation::SyncFolder),
        Just(Operation::Open),
        Just(Operation::List),
        Just(Operation::FreeBytes),
    ];
    let kind = prop_oneof![
        2 => write.prop_map(|failure| (Operation::Write, failure)),
        3 => (operation, whole),
    ];
    let ending = prop_oneof![3 => Just(""), 2 => Just(".seg"), 1 => Just("checkpoint")];
    let times = prop_oneof![4 => Just(1), 2 => 2..4_u64, 1 => Just(1000)];
    (kind, ending, 0..6_u64, times).prop_map(|((operation, failure), ending, skip, times)| Fault {
        operation,
        ending,
        skip,
        times,
        failure,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Stop),
        Just(End::Kill),
        Just(End::ColdPowerLoss),
        any::<u64>().prop_map(End::PowerLoss),
        any::<u64>().prop_map(End::PowerLoss),
    ]
}

impl ReferenceStateMachine for Machine {
    type State = Setup;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Setup> {
        let level = prop_oneof![Just(Level::Os), Just(Level::Fsync), Just(Level::Kafka)];
        // From one frame to about four in a segment, and budgets that are met and that are not.
        let sizes = (prop_oneof![Just(200_u64), Just(500), Just(2000)], any::<bool>());
        (level, sizes)
            .prop_map(|(level, (segment_bytes, small))| {
                let mut settings = tiny(level, segment_bytes);
                if small {
                    settings.bytes_max = 16 * segment_bytes;
                }
                Setup { settings }
            })
            .boxed()
    }

    fn transitions(_: &Setup) -> BoxedStrategy<Step> {
        let bytes = prop_oneof![4 => 0..100_usize, 1 => 100..1500_usize];
        prop_oneof![
            12 => vec(bytes, 1..4).prop_map(Step::Append),
            1 => (0..100_usize).prop_map(Step::TryAppend),
            5 => Just(Step::WaitDurable),
            4 => Just(Step::Read),
            5 => any::<u8>().prop_map(Step::Confirm),
            1 => (0..3000_usize).prop_map(Step::Aside),
            1 => Just(Step::Pause),
            4 => fault().prop_map(Step::Fail),
            2 => Just(Step::Heal),
            1 => (0..4_u64).prop_map(Step::Room),
            4 => (end(), proptest::option::weighted(0.2, fault()))
                .prop_map(|(end, fault)| Step::Restart(end, fault)),
        ]
        .boxed()
    }

    fn apply(setup: Setup, _: &Step) -> Setup {
        setup
    }
}

/// A run: the log, and all that is known of it from outside.
struct Run {
    settings: Settings,
    storage: Arc<SimStorage>,
    log: Arc<DiskLog>,
    truth: Truth,
    confirmed: u64,
    /// Found at the last opening, and therefore synced.
    synced: u64,
    /// What was read, by identity: no other record may ever have it.
    seen: BTreeMap<(String, u64), Vec<u8>>,
    /// Number of the next record.
    number: u64,
    faulty: bool,
    /// Nothing has failed since the last opening began.
    steady: bool,
}

impl Run {
    fn new(settings: &Settings) -> Self {
        let storage = Arc::new(SimStorage::new(Disk::default()));
        let log = open(&storage, settings).expect("an empty directory can be used");
        let settings = settings.clone();
        let truth = Truth { uuid: log.uuid().to_owned(), ..Truth::default() };
        let seen = BTreeMap::new();
        Self {
            settings,
            storage,
            log,
            truth,
            confirmed: 0,
            synced: 0,
            seen,
            number: 0,
            faulty: false,
            steady: true,
        }
    }

    fn batch(&mut self, sizes: &[usize]) -> Batch {
        let mut batch = Batch::new();
        for bytes in sizes {
            self.number += 1;
            batch.extend(&record(self.number, *bytes));
        }
        batch
    }

    fn append(&mut self, sizes: &[usize], droppable: bool) -> Result<(), String> {
        let mut batch = self.batch(sizes);
        let copy = batch.clone();
        let head = self.log.usage().head.0;
        let taken =
            if droppable { self.log.try_append(&mut batch) } else { self.log.append(&mut batch) };
        let Ok(range) = taken else {
            let same = batch.bytes() == copy.bytes() && batch.records() == copy.records();
            return if same { Ok(()) } else { Err("a refused batch was changed".to_owned()) };
        };
        if range.start().0 != head + 1 || !batch.is_empty() {
            return Err(format!("{range:?} given behind {head}, {} left", batch.records()));
        }
        self.truth.appended(&range, &copy);
        for position in range.start().0..=range.end().0 {
            let bytes = &self.truth.records[&position];
            let earlier = self.seen.get(&(self.log.uuid().to_owned(), position));
            if earlier.is_some_and(|earlier| earlier != bytes) {
                return Err(format!("{position} was read as another record before a power loss"));
            }
        }
        Ok(())
    }

    fn wait_durable(&self) -> Result<(), String> {
        let last = self.log.usage().head.0;
        if self.faulty {
            wait_durable(&self.log, last, FAULTY);
            return Ok(());
        }
        if self.settings.ack == Level::Kafka {
            let written = eventually(PATIENCE, || self.log.written() >= Sequence(last));
            return if written { Ok(()) } else { Err(format!("{last} is never written")) };
        }
        becomes_durable(&self.log, last)
    }

    fn read(&mut self) -> Result<(), String> {
        let safe = self.log.written().0;
        let promise = Promise { safe, confirmed: self.confirmed, told: safe, same: true };
        let found = match walk_within(&self.log, if self.faulty { FAULTY } else { PATIENCE }) {
            // A device that fails may keep everything back, but not give something else.
            Err(Refused::Nothing(_)) if self.faulty => return Ok(()),
            walked => walked.map_err(|refused| refused.to_string())?,
        };
        compare(&found, &self.truth, promise)?;
        for (position, bytes) in found.records {
            self.seen.insert((found.uuid.clone(), position), bytes);
        }
        Ok(())
    }

    fn confirm(&mut self, share: u8) {
        let written = self.log.written().0;
        let upto = written * u64::from(share) / 255;
        self.confirmed = self.confirmed.max(upto);
        self.log.confirm(Sequence(upto));
    }

    fn heal(&mut self) {
        self.storage.heal();
        self.storage.set_room(None);
        self.faulty = false;
    }

    /// What is left of the disk, and what must be on it.
    fn end(&mut self, end: End) -> Result<(Disk, Promise), String> {
        // In this order: what is said to be safe is so before the disk is looked at.
        let durable = if self.settings.ack == Level::Fsync { self.log.durable().0 } else { 0 };
        let (written, confirmed) = (self.log.written().0, self.confirmed);
        let last = self.log.usage().head.0;
        let cold = &mut |_: usize| 0;
        let (disk, safe) = match end {
            End::Stop => {
                let within = if self.faulty { FAULTY } else { PATIENCE };
                let left = self.log.close(within);
                if self.faulty {
                    (self.storage.disk().after_kill(), written)
                } else if self.settings.ack != Level::Kafka && left > 0 {
                    return Err(format!("a stop leaves {left} records"));
                } else {
                    (self.storage.disk().after_power_loss(cold), last)
                }
            }
            End::Kill => (self.storage.disk().after_kill(), written),
            End::ColdPowerLoss => {
                (self.storage.disk().after_power_loss(cold), durable.max(self.synced))
            }
            End::PowerLoss(seed) => {
                let mut random = fastrand::Rng::with_seed(seed);
                let disk = self.storage.disk().after_power_loss(&mut |of| random.usize(..of));
                (disk, durable.max(self.synced))
            }
        };
        // What was not synced was not told at level fsync; elsewhere it may be lost with the machine.
        let same = self.settings.ack == Level::Fsync || matches!(end, End::Stop | End::Kill);
        // A checkpoint that could not be written leaves the next process in doubt.
        let same = same && self.steady && safe > confirmed;
        Ok((disk, Promise { safe, confirmed, told: written, same }))
    }

    fn restart(&mut self, end: End, fault: Option<Fault>) -> Result<(), String> {
        let (disk, promise) = self.end(end)?;
        // The old process works on a disk that nobody looks at any more.
        self.heal();
        self.log.close(Duration::ZERO);
        let deceived = deceived(&disk);
        self.storage = Arc::new(SimStorage::new(disk));
        if let Some(fault) = fault {
            self.storage.fail(fault);
            self.faulty = true;
        }
        self.steady = fault.is_none();
        let opened = match open(&self.storage, &self.settings) {
            Err(OpenError::Unusable(_)) if fault.is_some() => {
                self.heal();
                let next = SimStorage::new(self.storage.disk().after_kill());
                self.storage = Arc::new(next);
                open(&self.storage, &self.settings)
            }
            opened => opened,
        };
        self.log = opened.map_err(|error| format!("does not open: {error}"))?;
        let found = match walk_within(&self.log, if self.faulty { FAULTY } else { PATIENCE }) {
            Err(Refused::Nothing(_)) if self.faulty => {
                self.heal();
                walk(&self.log)?
            }
            walked => walked.map_err(|refused| refused.to_string())?,
        };
        compare(&found, &self.truth, promise)?;
        if promise.same && found.uuid != self.truth.uuid && fault.is_none() {
            return Err(format!("it is {} now, and was {}", found.uuid, self.truth.uuid));
        }
        self.truth.uuid = found.uuid;
        let last = self.log.usage().head.0;
        if last < found.last {
            return Err(format!("goes on at {last}, {} is there", found.last));
        }
        self.synced = if self.faulty { 0 } else { self.log.replay_upto().0 };
        self.truth.records.retain(|position, _| *position <= found.last);
        // From here on, what was found is what there is; of a file whose sync failed under another
        // process, which was never answered for, not even that is sure.
        self.confirmed = self.confirmed.max(found.confirmed);
        let there = |position: &u64| !deceived && found.records.contains_key(position);
        let all = found.confirmed + 1..=found.last;
        self.truth.lost = all.filter(|position| !there(position)).collect();
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Append(sizes) => self.append(&sizes, false)?,
            Step::TryAppend(bytes) => self.append(&[bytes], true)?,
            Step::WaitDurable => self.wait_durable()?,
            Step::Read => self.read()?,
            Step::Confirm(share) => self.confirm(share),
            Step::Aside(bytes) => {
                self.number += 1;
                let id = format!("{:032x}", self.number);
                let json = vec![b'x'; bytes];
                self.log.put_aside(Aside { folder: Folder::Oversize, id, json });
            }
            Step::Pause => std::thread::sleep(TIMERS),
            Step::Fail(fault) => {
                self.storage.fail(fault);
                (self.faulty, self.steady) = (true, false);
            }
            Step::Heal => self.heal(),
            Step::Room(pages) => {
                let used: usize = self.storage.disk().contents().values().map(Vec::len).sum();
                self.storage.set_room(Some((used as u64).next_multiple_of(4096) + 4096 * pages));
                (self.faulty, self.steady) = (true, false);
            }
            Step::Restart(end, fault) => self.restart(end, fault)?,
        }
        Ok(())
    }

    /// Writes what waits and confirms it, as long as it takes.
    fn drain(&mut self) -> Result<(), String> {
        let last = self.log.usage().head;
        if !eventually(PATIENCE, || self.log.written() >= last) {
            return Err(format!("{last} is never written: {:?}", self.log.usage()));
        }
        self.confirm(255);
        Ok(())
    }

    /// Whatever happened: once the device is well again, the log is.
    fn recovers(&mut self) -> Result<(), String> {
        self.heal();
        self.drain()?;
        let (position, bytes) = append_fresh(&self.log, 0)?;
        self.truth.records.insert(position, bytes);
        self.wait_durable()?;
        self.read()?;
        let (disk, promise) = self.end(End::Stop)?;
        judge(disk, &self.settings, &self.truth, promise)?;
        assert_no_panic();
        Ok(())
    }
}

/// Whether a later sync of a segment would lie.
fn deceived(disk: &Disk) -> bool {
    disk.contents().keys().any(|name| is_segment(name) && disk.is_deceived(name))
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Run;
    type Reference = Self;

    fn init_test(setup: &Setup) -> Run {
        Run::new(&setup.settings)
    }

    fn apply(mut run: Run, _: &Setup, step: Step) -> Run {
        let said = format!("{step:?}");
        run.step(step).unwrap_or_else(|problem| panic!("{said}: {problem}"));
        run
    }

    fn teardown(mut run: Run, _: Setup) {
        run.recovers().unwrap_or_else(|problem| panic!("at the end: {problem}"));
    }
}

/// Cases that run side by side: most of their time is spent waiting for timers of the log.
const THREADS: u64 = 8;

fn run_cases(seed: u64) {
    let config = ProptestConfig {
        cases: 16 * effort(),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config.clone());
    let strategy = Machine::sequential_strategy(1..40);
    let outcome = runner.run(&strategy, |(setup, steps, seen)| {
        Machine::test_sequential(config.clone(), setup, steps, seen);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, (setup, steps, _))) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!("JOURNAL_SEED={seed}: {why}\n{:?}\n{}", setup.settings, steps.join("\n"));
        }
        Err(TestError::Abort(why)) => panic!("JOURNAL_SEED={seed}: {why}"),
    }
}

#[test]
fn a_log_keeps_its_promises_through_any_mixture_of_faults() {
    let seed = seed();
    let run = |at| std::thread::spawn(move || run_cases(seed.wrapping_add(at)));
    let threads: Vec<_> = (0..THREADS).map(run).collect();
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
