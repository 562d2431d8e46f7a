//! What the rules decided about one intent.
//!
//! In: nothing; the rule engine makes it. Out: the fields in front of a decision record, and what a
//! dialect needs to answer. What always holds: a decision with no rule behind it is
//! [`Decision::ALLOW`] and costs no allocation.

use std::sync::Arc;

/// The five outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Nothing is changed.
    #[default]
    Allow,
    /// The action fails, with a code and a text.
    Deny,
    /// The sender sees success and nothing happens.
    Drop,
    /// Allowed with changes.
    Modify,
    /// Allowed without some of the users.
    Refuse,
}

impl Verdict {
    /// The word in decision records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Drop => "drop",
            Self::Modify => "modify",
            Self::Refuse => "refuse",
        }
    }
}

/// What a before-callback that cannot be decided is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFault {
    /// The action passes: a fault of the bridge is no reason to break the chat.
    #[default]
    Allow,
    /// The action fails, with the command's default deny.
    Deny,
}

/// The decision about one intent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Outcome.
    pub verdict: Verdict,
    /// Whether the sender is answered with it.
    pub enforced: bool,
    /// Rule that decided, or the first that changed something.
    pub rule_id: Option<Arc<str>>,
    /// Code of a deny; `None` takes the command's own.
    pub deny_code: Option<i64>,
    /// Text of a deny.
    pub deny_message: Option<String>,
    /// Further text of a deny (OpenIM's errDlt); not recorded.
    pub deny_detail: Option<String>,
    /// Changed fields, in the order of the vocabulary.
    pub changes: Vec<(String, Change)>,
    /// Users that are refused.
    pub refused_ids: Vec<String>,
    /// Tags of the rules that matched.
    pub tags: Vec<Arc<str>>,
    /// Rules that matched, in order.
    pub matches: Vec<Match>,
    /// What failed.
    pub faults: Vec<Fault>,
    /// Hash of the rule files in force.
    pub rules_version: Option<Arc<str>>,
}

impl Decision {
    /// No rule applied.
    pub const ALLOW: Self = Self {
        verdict: Verdict::Allow,
        enforced: true,
        rule_id: None,
        deny_code: None,
        deny_message: None,
        deny_detail: None,
        changes: Vec::new(),
        refused_ids: Vec::new(),
        tags: Vec::new(),
        matches: Vec::new(),
        faults: Vec::new(),
        rules_version: None,
    };

    /// Change of that field.
    #[must_use]
    pub fn change(&self, field: &str) -> Option<&Change> {
        self.changes.iter().find(|(name, _)| name == field).map(|(_, change)| change)
    }
}

/// New value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A value: text, integer, boolean, list of ids, or list of objects (registered users).
    Value(serde_json::Value),
    /// The message's pieces of text were rewritten.
    Content {
        /// The new value of the field `text`, as recorded.
        text: String,
        /// The whole message body as the provider takes it: OpenIM a JSON text's content, Tencent a
        /// JSON list; both already serialised.
        body: String,
    },
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its id.
    pub rule_id: Arc<str>,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
    /// `allow`, `deny`, `drop`, `change` or `tag`.
    pub action: &'static str,
    /// Matched after the decision.
    pub late: bool,
}

/// Something that failed while deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule, unless it concerns all.
    pub rule_id: Option<Arc<str>>,
    /// `error`, `panic`, `unmaskable` or `deadline`.
    pub fault: &'static str,
}
