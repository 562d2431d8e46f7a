//! The callbacks of both providers, one sample per command, varied for each sending.
//!
//! In: the embedded sample files, a filter, a mix, a seed. Out: callbacks that are ready to be
//! posted. Always holds: each full cycle of the deck has every command at least once; the same
//! seed gives the same callbacks in the same order, but for their times.

use parking_lot::Mutex;
use serde::Deserialize;

use super::template::{Draw, Template};
use super::{Error, Options, Phase, Provider};

const OPENIM: &str = include_str!("../../../catalogue/samples/openim.json");
const TENCENT: &str = include_str!("../../../catalogue/samples/tencent.json");

/// How often each command comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Messages most, presence and read marks often, all else seldom.
    Realistic,
    /// Each command once per cycle, in the order of the catalogue.
    Every,
}

/// One callback, ready for the wire.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    /// Its command's position in [`Samples`].
    pub(super) row: usize,
    /// Asks or tells.
    pub(super) phase: Phase,
    /// The header that OpenIM sends (the body has the same where it has one), the request id of
    /// Tencent. Form of a UUID.
    pub(super) operation_id: String,
    /// The body without a final line end.
    pub(super) body: String,
}

/// The samples of one provider and the deck they are dealt from.
pub(super) struct Samples {
    rows: Vec<Row>,
    mix: Mix,
    seed: u64,
    app_id: u64,
    deck: Mutex<Deck>,
}

struct Row {
    command: String,
    query: Option<String>,
    phase: Phase,
    weight: usize,
    template: Template,
}

/// The cards of the cycle that was dealt from last.
#[derive(Default)]
struct Deck {
    cycle: Option<u64>,
    cards: Vec<usize>,
}

#[derive(Deserialize)]
struct File {
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    command: String,
    query: Option<String>,
    body: serde_json::Value,
}

impl Samples {
    /// Loads what `options` ask for; `None` when this provider is not played or the filter leaves
    /// nothing of it.
    pub(super) fn load(
        provider: Provider,
        options: &Options,
        phase_of: &impl Fn(Provider, &str) -> Phase,
    ) -> Result<Option<Self>, Error> {
        let wanted = match provider {
            Provider::OpenIm => &options.openim,
            Provider::Tencent => &options.tencent,
        };
        if wanted.is_none() {
            return Ok(None);
        }
        let rows: Vec<Row> = parse(provider)?
            .into_iter()
            .filter(|sample| {
                let filter = &options.commands;
                filter.is_empty() || filter.contains(&sample.command)
            })
            .map(|sample| Row {
                phase: phase_of(provider, &sample.command),
                weight: weight(&sample.command),
                template: Template::compile(provider, &sample.body),
                command: sample.command,
                query: sample.query,
            })
            .collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let Options { mix, seed, app_id, .. } = *options;
        Ok(Some(Self { rows, mix, seed, app_id, deck: Mutex::default() }))
    }

    /// The command's name, as in the catalogue.
    pub(super) fn command(&self, row: usize) -> &str {
        &self.rows[row].command
    }

    /// The query of the sample, from which each provider sees how the command travels.
    pub(super) fn query(&self, row: usize) -> Option<&str> {
        self.rows[row].query.as_deref()
    }

    /// Makes the next callback. `index` is its number in the run.
    pub(super) fn next(&self, index: u64, now_ms: i64) -> Callback {
        let row = self.deal(index);
        let seed = self.seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = fastrand::Rng::with_seed(seed);
        let operation_id = uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes());
        let operation_id = operation_id.into_uuid().to_string();
        let app_id = self.app_id;
        let draw = &mut Draw { rng: &mut rng, now_ms, index, operation_id: &operation_id, app_id };
        let body = self.rows[row].template.render(draw);
        Callback { row, phase: self.rows[row].phase, operation_id, body }
    }

    /// Which card is dealt depends on the number alone, whoever asks first.
    fn deal(&self, index: u64) -> usize {
        let cards = match self.mix {
            Mix::Every => self.rows.len(),
            Mix::Realistic => self.rows.iter().map(|row| row.weight).sum(),
        };
        let cards = u64::try_from(cards).expect("a small number");
        let place = usize::try_from(index % cards).expect("less than the cards");
        let mut deck = self.deck.lock();
        if deck.cycle != Some(index / cards) {
            *deck = self.shuffled(index / cards);
        }
        deck.cards[place]
    }

    fn shuffled(&self, cycle: u64) -> Deck {
        let rows = self.rows.iter().enumerate();
        let cards = match self.mix {
            Mix::Every => (0..self.rows.len()).collect(),
            Mix::Realistic => {
                let mut cards: Vec<usize> =
                    rows.flat_map(|(at, row)| std::iter::repeat_n(at, row.weight)).collect();
                fastrand::Rng::with_seed(self.seed.wrapping_add(cycle)).shuffle(&mut cards);
                cards
            }
        };
        Deck { cycle: Some(cycle), cards }
    }
}

/// All commands that have a sample.
///
/// # Errors
/// When an embedded file is not in the form `{"samples": [{"command", "query", "body"}]}`.
pub fn commands(provider: Provider) -> Result<Vec<String>, Error> {
    Ok(parse(provider)?.into_iter().map(|sample| sample.command).collect())
}

fn parse(provider: Provider) -> Result<Vec<Sample>, Error> {
    let text = match provider {
        Provider::OpenIm => OPENIM,
        Provider::Tencent => TENCENT,
    };
    let file: File = serde_json::from_str(text).map_err(|e| Error::Sample {
        name: format!("{}.json", provider.name()),
        problem: e.to_string(),
    })?;
    match file.samples.iter().find(|sample| !sample.body.is_object()) {
        Some(odd) => Err(Error::Sample {
            name: format!("{}.json, {}", provider.name(), odd.command),
            problem: "body is no object".to_owned(),
        }),
        None => Ok(file.samples),
    }
}

/// Every name of the filter must exist for a provider that is played.
pub(super) fn check_filter(options: &Options) -> Result<(), Error> {
    let mut known = Vec::new();
    for (provider, target) in
        [(Provider::OpenIm, &options.openim), (Provider::Tencent, &options.tencent)]
    {
        if target.is_some() {
            known.extend(commands(provider)?);
        }
    }
    let Some(name) = options.commands.iter().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let nearest = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known);
    Err(Error::Command { name: name.clone(), nearest })
}

/// How many cards of a cycle a command gets in the realistic mix.
fn weight(command: &str) -> usize {
    match command {
        "callbackBeforeSendGroupMsgCommand"
        | "callbackAfterSendGroupMsgCommand"
        | "Group.CallbackBeforeSendMsg"
        | "Group.CallbackAfterSendMsg" => 60,
        "callbackBeforeSendSingleMsgCommand"
        | "callbackAfterSendSingleMsgCommand"
        | "callbackAfterMsgSaveDBCommand"
        | "C2C.CallbackBeforeSendMsg"
        | "C2C.CallbackAfterSendMsg"
        | "State.StateChange" => 40,
        "callbackBeforeMsgModifyCommand"
        | "callbackAfterUserOnlineCommand"
        | "callbackAfterUserOfflineCommand"
        | "callbackBeforeGroupOnlinePushCommand" => 20,
        "callbackBeforeOnlinePushCommand"
        | "callbackBeforeOfflinePushCommand"
        | "callbackAfterSingleMsgReadCommand"
        | "callbackAfterGroupMsgReadCommand"
        | "C2C.CallbackAfterMsgReport"
        | "Group.CallbackOnMemberStateChange"
        | "Group.CallbackAfterReadReceipt" => 10,
        _ => 1,
    }
}

#[cfg(test)]
pub(super) mod tests;
