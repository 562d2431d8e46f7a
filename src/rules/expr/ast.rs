//! What an expression says, before anybody asks what its names are.
//!
//! In: `parse` makes it from a text. Out: a small tree for `check`. What always holds: every node knows
//! where it stands; chains of one kind of operator are flat, so that depth is nesting; nothing is in
//! it that the language of conditions leaves out.

use std::ops::Range;

/// One part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Byte that a mistake about this node points at: of a path the name behind its root.
    pub(super) at: usize,
    /// Its text in bytes, with the brackets around it.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// Kinds of nodes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A constant text.
    Text(Box<str>),
    /// A constant integer.
    Int(i64),
    /// `true`, `false`.
    Bool(bool),
    /// `[…]`.
    List(Vec<Node>),
    /// `a.b.c`, or a bare name.
    Path(Vec<Part>),
    /// A name behind something that is no path.
    Member(Box<Node>, Part),
    /// `x[i]`.
    Index(Box<(Node, Node)>),
    /// `f(x)`, `x.f(y)`.
    Call { target: Option<Box<Node>>, name: Part, args: Vec<Node> },
    /// `!x`.
    Not(Box<Node>),
    /// `-x`.
    Negate(Box<Node>),
    /// `a && b && …`.
    And(Vec<Node>),
    /// `a || b || …`.
    Or(Vec<Node>),
    /// `a < b`.
    Compare(Comparison, Box<(Node, Node)>),
    /// `a in b`.
    In(Box<(Node, Node)>),
    /// Sums or products, from left to right.
    Chain(Box<Node>, Vec<(Arithmetic, Node)>),
    /// `c ? a : b`.
    Choose(Box<(Node, Node, Node)>),
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// The name.
    pub(super) name: Box<str>,
    /// Where it stands.
    pub(super) at: usize,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// As written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// Whether it asks for equality only.
    pub(super) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::Unequal)
    }

    /// Whether `left` stands to `right` like this.
    #[inline]
    pub(super) fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// What is done with two integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    /// As written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// Whether it is `+` or `-`: those make one chain, the others another.
    pub(super) const fn is_sum(self) -> bool {
        matches!(self, Self::Add | Self::Subtract)
    }
}
