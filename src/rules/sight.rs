//! What conditions of a set ask for besides slots, answered once per intent.
//!
//! In: an intent, the set and its tables. Out: members of the body, folded texts, hits, windows and
//! variables. What always holds: nothing is computed that nobody asks for, nothing twice, and what is
//! remembered lives in the request's arena.

use super::Intent;
use super::expr::EvalError;
use super::frame::{FieldId, Frame, Host, ListId, Place, RegexId, VarId, WindowId};
use super::memory::Memory;
use super::set::{Reader, RuleSet, Tables};
use super::source::file::Fold;
use super::words::{FoldIndex, Hits, fold};
use crate::event::Value;
use bumpalo::Bump;
use regex::Regex;
use std::cell::Cell;
use std::ops::Range;

/// What is remembered of a text in one folding.
#[derive(Debug, Clone, Copy)]
struct Scanned<'a> {
    field: FieldId,
    fold: FoldIndex,
    hits: Hits<'a>,
}

/// Answers for one intent.
pub(super) struct Sight<'a> {
    set: &'a RuleSet,
    tables: &'a Tables,
    memory: &'a Memory,
    intent: &'a Intent<'a>,
    places: &'a [Place],
    /// By [`FieldId`], for those outside slots.
    values: Memo<'a, Value<'a>>,
    /// By [`FieldId`]: texts in the default folding.
    folded: Memo<'a, &'a str>,
    /// By [`VarId`].
    vars: Memo<'a, Result<Value<'a>, EvalError>>,
    /// Texts that were looked through already; few.
    scanned: Cell<&'a [Scanned<'a>]>,
    /// Itself, for variables: their expressions ask again.
    own: Cell<Option<&'a Sight<'a>>>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(
        set: &'a RuleSet,
        tables: &'a Tables,
        memory: &'a Memory,
        intent: &'a Intent<'a>,
        places: &'a [Place],
    ) -> &'a Self {
        let sight: &'a Self = intent.arena.alloc(Self {
            set,
            tables,
            memory,
            intent,
            places,
            values: Memo::default(),
            folded: Memo::default(),
            vars: Memo::default(),
            scanned: Cell::new(&[]),
            own: Cell::new(None),
        });
        sight.own.set(Some(sight));
        sight
    }

    /// The intent as a frame.
    pub(super) fn frame(&self) -> Frame<'a> {
        Frame {
            arena: self.intent.arena,
            now: self.intent.received_at_ms,
            places: self.places,
            slots: self.intent.known.slots,
            host: self.own.get().expect("set when it was made"),
        }
    }

    fn scan(&self, index: FoldIndex, text: &'a str, field: Option<FieldId>) -> Hits<'a> {
        let words = &self.tables.words;
        let folded = match words.folding(index) {
            // The text that conditions fold is that of most lists.
            Fold::DEFAULT => self.fold(field, text),
            other => fold(other, text, self.intent.arena),
        };
        words.hits(index, folded, self.intent.arena)
    }
}

/// Answers that are remembered, by number; no room is taken before the first.
struct Memo<'a, T>(Cell<&'a [Cell<Option<T>>]>);

impl<T> Default for Memo<'_, T> {
    fn default() -> Self {
        Self(Cell::new(&[]))
    }
}

impl<'a, T: Copy> Memo<'a, T> {
    /// The answer of that number out of `count`, made unless it is known.
    fn get(&self, at: u16, count: usize, arena: &'a Bump, make: impl FnOnce() -> T) -> T {
        if self.0.get().is_empty() {
            self.0.set(arena.alloc_slice_fill_with(count, |_| Cell::new(None)));
        }
        let cell = &self.0.get()[usize::from(at)];
        cell.get().unwrap_or_else(|| {
            let answer = make();
            cell.set(Some(answer));
            answer
        })
    }
}

impl<'a> Host<'a> for Sight<'a> {
    fn value(&self, field: FieldId) -> Value<'a> {
        let (count, arena) = (self.places.len(), self.intent.arena);
        self.values.get(field.0, count, arena, || {
            match &self.set.fields[usize::from(field.0)].reader {
                Reader::Slot => Value::Absent,
                Reader::Raw(raw) => raw.of(self.intent),
                Reader::Ctx(ctx) => ctx.of(self.intent, Some(self.memory)),
            }
        })
    }

    fn fold(&self, field: Option<FieldId>, text: &'a str) -> &'a str {
        let (count, arena) = (self.places.len(), self.intent.arena);
        match field {
            Some(field) => {
                self.folded.get(field.0, count, arena, || fold(Fold::DEFAULT, text, arena))
            }
            None => fold(Fold::DEFAULT, text, arena),
        }
    }

    fn hits(&self, field: Option<FieldId>, text: &'a str, list: ListId) -> bool {
        let Some(fold) = self.tables.words.fold_of(list) else { return false };
        let Some(field) = field else { return self.scan(fold, text, None).has(list) };
        let known = self.scanned.get();
        if let Some(known) = known.iter().find(|known| known.field == field && known.fold == fold) {
            return known.hits.has(list);
        }
        let hits = self.scan(fold, text, Some(field));
        let all = self.intent.arena.alloc_slice_fill_with(known.len() + 1, |at| {
            known.get(at).copied().unwrap_or(Scanned { field, fold, hits })
        });
        self.scanned.set(all);
        hits.has(list)
    }

    fn spans(&self, text: &str, lists: &[ListId], spans: &mut Vec<Range<usize>>) {
        self.tables.words.spans(text, lists, spans);
    }

    fn has_id(&self, list: ListId, id: &str) -> bool {
        self.tables.ids[usize::from(list.0)].as_ref().is_some_and(|ids| ids.has(id))
    }

    fn window(&self, window: WindowId) -> bool {
        self.set.windows[usize::from(window.0)].inside(self.intent.received_at_ms)
    }

    fn var(&self, var: VarId) -> Result<Value<'a>, EvalError> {
        // Variables use only those above them, so this ends.
        self.vars.get(var.0, self.set.vars.len(), self.intent.arena, || {
            self.set.vars[usize::from(var.0)].value(&self.frame())
        })
    }

    fn regex(&self, regex: RegexId) -> &Regex {
        &self.set.regexes[usize::from(regex.0)]
    }
}
