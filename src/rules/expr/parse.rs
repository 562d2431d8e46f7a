//! Reads the text of an expression.
//!
//! In: a text of any kind. Out: its [`Node`]s, or the first mistake in a sentence. The only place that
//! names the `cel` crate, which decides what the text means; `scan` has the places of all words and
//! signs, and has refused before what might make the crate work hard. What always holds: the crate
//! sees at most 256 nodes in at most 64 brackets; macros stay the calls they are written as.

use super::ast::{Arithmetic, Comparison, Kind, Node, Part};
use super::scan::{Token, TokenKind, cut, scan};
use super::{ExprError, wrong};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::Parser;
use std::ops::Range;

/// How deep operations may stand in each other; a chain of one kind counts once.
const DEPTH_MAX: usize = 24;

/// Reads an expression.
///
/// # Errors
/// The first mistake: a word or sign that no expression has, a construct that conditions leave out,
/// or one of the sizes.
pub(super) fn parse(text: &str) -> Result<Node, ExprError> {
    let tokens = scan(text)?;
    // One attempt to go on behind a mistake more would only cost time: the first one is reported.
    let parser = parser().error_recovery_limit(1);
    match parser.parse_with_source_info(text) {
        Ok((expr, places)) => {
            let reader = Reader { text, tokens: &tokens, places: &places };
            let node = reader.node(expr, 0)?;
            Ok(reader.in_brackets(node))
        }
        Err(errors) => {
            let first = errors.errors.iter().find(|error| error.pos.0 > 0);
            let at = first.map_or(0, |error| offset(text, error.pos.0, error.pos.1));
            Err(unexpected(text, &tokens, at))
        }
    }
}

fn parser() -> Parser {
    cel::Env::default().with_optional_support(false).parser()
}

/// The byte of a line and column, both from 1, columns in characters.
fn offset(text: &str, line: isize, column: isize) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let behind = &text[start..];
    start + behind.char_indices().nth(column).map_or(behind.len(), |(at, _)| at)
}

/// What is wrong with a text that the parser refuses at a byte.
fn unexpected(text: &str, tokens: &[Token], at: usize) -> ExprError {
    let place = tokens.partition_point(|token| token.end <= at);
    let Some(token) = tokens.get(place) else {
        let end = tokens.last().map_or(0, |token| token.end);
        return wrong(end, "the expression ends too early");
    };
    let word = &text[token.start..token.end];
    let shown = cut(word);
    let before = place.checked_sub(1).map(|before| &tokens[before]);
    if let Some(not) = before.filter(|before| text[before.start..before.end] == *"not") {
        return wrong(not.start, "not has no meaning here, ! is not");
    }
    let value_before = before.is_some_and(|before| {
        matches!(before.kind, TokenKind::Name | TokenKind::Int | TokenKind::Text | TokenKind::Close)
    });
    let message = match (token.kind, word.to_ascii_lowercase().as_str()) {
        (TokenKind::Name, "and") => format!("{word} has no meaning here, && is and"),
        (TokenKind::Name, "or") => format!("{word} has no meaning here, || is or"),
        (TokenKind::Name, _) if !value_before && is_reserved(word) => {
            format!("{word} is a reserved word of CEL")
        }
        (TokenKind::Name, "contains" | "matches" | "startswith" | "endswith" | "hits") => {
            format!("{word} is a function: write x.{word}(…)")
        }
        (TokenKind::Int, _) if word.parse::<i64>().is_err() && hex(word).is_none() => {
            format!("{shown} does not fit 64 bits")
        }
        (TokenKind::Name | TokenKind::Int | TokenKind::Text | TokenKind::Open, _)
            if value_before =>
        {
            format!("{shown} is not expected here, an operator is missing before it")
        }
        (_, "?") => "? is not expected here, an inner ?: stands in brackets".to_owned(),
        _ => format!("{shown} is not expected here"),
    };
    wrong(token.start, message)
}

fn hex(word: &str) -> Option<i64> {
    i64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// Words that CEL keeps for later; as names of fields they are fine.
fn is_reserved(word: &str) -> bool {
    const RESERVED: [&str; 17] = [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    RESERVED.contains(&word)
}

/// Turns the tree of the crate into ours.
struct Reader<'t> {
    text: &'t str,
    tokens: &'t [Token],
    places: &'t SourceInfo,
}

impl Reader<'_> {
    /// A node at so many operations from the top.
    fn node(&self, expr: IdedExpr, depth: usize) -> Result<Node, ExprError> {
        let place = self.place(expr.id);
        let token = self.tokens[place];
        match expr.expr {
            Expr::Literal(literal) => self.literal(literal, place),
            Expr::Ident(name) if name.starts_with('.') => {
                Err(wrong(token.start, format!("{name} begins with a dot that has no meaning")))
            }
            Expr::Ident(name) => {
                let part = Part { name: name.into(), at: token.start };
                Ok(node(token.start, token.start..token.end, Kind::Path(vec![part])))
            }
            Expr::Select(select) => self.select(*select.operand, &select.field, place, depth),
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                for element in list.elements {
                    items.push(self.bare(element, depth)?);
                }
                let end = self.tokens[token.pair].end;
                Ok(node(token.start, token.start..end, Kind::List(items)))
            }
            Expr::Call(call) => {
                if depth >= DEPTH_MAX {
                    let message = format!(
                        "operations stand in each other more than {DEPTH_MAX} deep; split it with vars"
                    );
                    return Err(wrong(token.start, message));
                }
                self.call(call, place, depth + 1)
            }
            _ => Err(wrong(token.start, "this is not part of conditions")),
        }
    }

    /// A node as it stands in another one.
    fn bare(&self, expr: IdedExpr, depth: usize) -> Result<Node, ExprError> {
        Ok(self.in_brackets(self.node(expr, depth)?))
    }

    fn literal(&self, literal: LiteralValue, place: usize) -> Result<Node, ExprError> {
        let token = self.tokens[place];
        let mut start = token.start;
        let kind = match literal {
            LiteralValue::Boolean(value) => Kind::Bool(*value.inner()),
            LiteralValue::String(value) => Kind::Text(value.inner().into()),
            LiteralValue::Int(value) => {
                let value = *value.inner();
                // The sign is a token of its own, and part of the constant.
                let signed = place.checked_sub(1).map(|before| self.tokens[before]);
                let sign = signed.filter(|sign| &self.text[sign.start..sign.end] == "-");
                start = sign.filter(|_| value < 0).map_or(start, |sign| sign.start);
                Kind::Int(value)
            }
            _ => return Err(wrong(start, "this constant is not part of conditions")),
        };
        Ok(node(start, start..token.end, kind))
    }

    /// A field behind the dot at `dot`.
    fn select(
        &self,
        operand: IdedExpr,
        field: &str,
        dot: usize,
        depth: usize,
    ) -> Result<Node, ExprError> {
        let name = self.tokens[(dot + 1).min(self.tokens.len() - 1)];
        let part = Part { name: field.into(), at: name.start };
        let operand = self.bare(operand, depth)?;
        let span = operand.span.start..name.end;
        Ok(match operand.kind {
            Kind::Path(mut parts) => {
                parts.push(part);
                node(parts[1].at, span, Kind::Path(parts))
            }
            _ => node(name.start, span, Kind::Member(Box::new(operand), part)),
        })
    }

    fn call(&self, call: CallExpr, place: usize, depth: usize) -> Result<Node, ExprError> {
        let CallExpr { func_name, target, mut args } = call;
        let name = func_name.as_str();
        if target.is_none() {
            if let Some(sign) = arithmetic(name) {
                return self.chain(args, sign, place, depth);
            }
            if matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR) {
                return self.logic(name == operators::LOGICAL_AND, args, place, depth);
            }
            let operator = matches!(name, operators::LOGICAL_NOT | operators::NEGATE);
            if operator && let Some(only) = args.pop() {
                let operand = Box::new(self.bare(only, depth)?);
                let start = self.tokens[place].start;
                let span = start..operand.span.end;
                let not = name == operators::LOGICAL_NOT;
                let kind = if not { Kind::Not(operand) } else { Kind::Negate(operand) };
                return Ok(node(start, span, kind));
            }
            // Names that authors can write have no signs in them.
            if name.starts_with(['_', '@']) && name.contains(['[', '?', '=', '<', '>', '!', '@']) {
                return self.operator(name, args, depth);
            }
        }
        self.function(func_name, target.map(|target| *target), args, place, depth)
    }

    /// `f(x)` or `x.f(y)`; `open` is its bracket.
    fn function(
        &self,
        name: String,
        target: Option<IdedExpr>,
        args: Vec<IdedExpr>,
        open: usize,
        depth: usize,
    ) -> Result<Node, ExprError> {
        let named = self.tokens[open.saturating_sub(1)];
        if name.starts_with('.') {
            return Err(wrong(named.start, format!("{name} begins with a dot without meaning")));
        }
        let target = target.map(|target| self.bare(target, depth)).transpose()?;
        let start = target.as_ref().map_or(named.start, |target| target.span.start);
        let end = self.tokens[self.tokens[open].pair].end;
        let mut read = Vec::with_capacity(args.len());
        for arg in args {
            read.push(self.bare(arg, depth)?);
        }
        let name = Part { name: name.into(), at: named.start };
        let call = Kind::Call { target: target.map(Box::new), name, args: read };
        Ok(node(named.start, start..end, call))
    }

    /// Operators of two or three operands.
    fn operator(&self, name: &str, args: Vec<IdedExpr>, depth: usize) -> Result<Node, ExprError> {
        let mut operands = Vec::with_capacity(args.len());
        for arg in args {
            operands.push(self.bare(arg, depth)?);
        }
        let mut operands = operands.into_iter();
        let (Some(left), Some(right)) = (operands.next(), operands.next()) else {
            return Err(wrong(0, "an operator has no operands"));
        };
        let (start, mut end) = (left.span.start, right.span.end);
        let pair = |left, right| Box::new((left, right));
        let kind = match name {
            operators::INDEX => {
                // The closing bracket is the next token behind the index and its own brackets.
                end = self.tokens[self.first_at(end)].end;
                Kind::Index(pair(left, right))
            }
            operators::IN => Kind::In(pair(left, right)),
            operators::CONDITIONAL => {
                let Some(last) = operands.next() else {
                    return Err(wrong(start, "?: has no third operand"));
                };
                end = last.span.end;
                Kind::Choose(Box::new((left, right, last)))
            }
            _ => match comparison(name) {
                Some(comparison) => Kind::Compare(comparison, pair(left, right)),
                None => return Err(wrong(start, "this operator is not part of conditions")),
            },
        };
        Ok(node(start, start..end, kind))
    }

    /// Sums and products: the tree leans to the left, the chain is flat.
    fn chain(
        &self,
        mut args: Vec<IdedExpr>,
        mut sign: Arithmetic,
        mut place: usize,
        depth: usize,
    ) -> Result<Node, ExprError> {
        let (mut rest, sum) = (Vec::new(), sign.is_sum());
        let first = loop {
            let (Some(right), Some(left)) = (args.pop(), args.pop()) else {
                return Err(wrong(self.tokens[place].start, "an operator has no operands"));
            };
            rest.push((sign, self.bare(right, depth)?));
            match left {
                IdedExpr {
                    id,
                    expr: Expr::Call(CallExpr { func_name, target: None, args: more }),
                } if arithmetic(&func_name).is_some_and(|sign| sign.is_sum() == sum) => {
                    sign = arithmetic(&func_name).expect("it was just looked at");
                    place = self.place(id);
                    args = more;
                }
                other => break self.bare(other, depth)?,
            }
        };
        rest.reverse();
        let end = rest.last().map_or(first.span.end, |(_, last)| last.span.end);
        // Brackets around the beginning of the chain are part of it.
        let start = self.around_start(first.span.start, end);
        Ok(node(start, start..end, Kind::Chain(Box::new(first), rest)))
    }

    /// `&&` and `||`: the tree is balanced, the chain is flat.
    fn logic(
        &self,
        and: bool,
        args: Vec<IdedExpr>,
        place: usize,
        depth: usize,
    ) -> Result<Node, ExprError> {
        let name = if and { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
        let mut open: Vec<IdedExpr> = args.into_iter().rev().collect();
        let mut terms = Vec::new();
        while let Some(next) = open.pop() {
            match next.expr {
                Expr::Call(call) if call.target.is_none() && call.func_name == name => {
                    open.extend(call.args.into_iter().rev());
                }
                expr => terms.push(self.bare(IdedExpr { id: next.id, expr }, depth)?),
            }
        }
        let at = self.tokens[place].start;
        let (first, last) = (terms.first(), terms.last());
        let end = self.around_end(at, last.map_or(at, |last| last.span.end));
        let start = self.around_start(first.map_or(at, |first| first.span.start), end);
        Ok(node(start, start..end, if and { Kind::And(terms) } else { Kind::Or(terms) }))
    }

    /// The token of a node; of an operator its sign, of a call its bracket, of a field its dot.
    fn place(&self, id: u64) -> usize {
        let start = self.places.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.first_at(start).min(self.tokens.len() - 1)
    }

    /// The first token that begins at a byte or behind it.
    fn first_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|token| token.start < byte)
    }

    /// Takes brackets around a node into its span, and signs before it that cancel each other: the
    /// crate makes no nodes of those.
    fn in_brackets(&self, mut node: Node) -> Node {
        node.span.start = self.before_signs(node.span.start);
        while let Some(span) = self.bracketed(&node.span) {
            node.span = self.before_signs(span.start)..span.end;
        }
        node
    }

    /// Goes back over pairs of `!` or of `-` that stand before something.
    fn before_signs(&self, start: usize) -> usize {
        let place = self.first_at(start);
        let sign = |place: usize| &self.text[self.tokens[place].start..self.tokens[place].end];
        let Some(last) = place.checked_sub(1).map(sign).filter(|s| matches!(*s, "!" | "-")) else {
            return start;
        };
        let mut run = (0..place).rev().take_while(|at| sign(*at) == last).count();
        let binary = place.checked_sub(run + 1).is_some_and(|before| {
            let before = self.tokens[before].kind;
            !matches!(before, TokenKind::Sign | TokenKind::Open) && last == "-"
        });
        run -= usize::from(binary);
        if run < 2 { start } else { self.tokens[place - run / 2 * 2].start }
    }

    /// The span with the brackets right around it, if they are its own.
    fn bracketed(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let before = self.first_at(span.start).checked_sub(1)?;
        let (open, close) = (self.tokens[before], self.tokens.get(self.first_at(span.end))?);
        let is_pair = open.kind == TokenKind::Open && open.pair == self.first_at(span.end);
        let round = &self.text[open.start..open.end] == "(";
        let of_call = before.checked_sub(1).is_some_and(|name| self.is_called(name));
        (is_pair && round && !of_call).then_some(open.start..close.end)
    }

    /// Whether a bracket behind this token belongs to a call.
    fn is_called(&self, place: usize) -> bool {
        self.tokens[place].kind == TokenKind::Name
    }

    /// Where a chain begins whose first operand begins at `start`: brackets that were opened before
    /// it and closed inside the chain belong to it.
    fn around_start(&self, mut start: usize, end: usize) -> usize {
        while let Some(before) = self.first_at(start).checked_sub(1) {
            let open = self.tokens[before];
            let of_call = before.checked_sub(1).is_some_and(|name| self.is_called(name));
            if open.kind != TokenKind::Open || of_call || self.tokens[open.pair].end > end {
                break;
            }
            start = open.start;
        }
        start
    }

    /// Where a chain ends whose last operand ends at `end`: brackets that were opened behind `start`
    /// and closed behind its end belong to it.
    fn around_end(&self, start: usize, mut end: usize) -> usize {
        while let Some(close) = self.tokens.get(self.first_at(end)) {
            if close.kind != TokenKind::Close || self.tokens[close.pair].start < start {
                break;
            }
            end = close.end;
        }
        end
    }
}

fn node(at: usize, span: Range<usize>, kind: Kind) -> Node {
    Node { at, span, kind }
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::Unequal,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::AtMost,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::AtLeast,
        _ => return None,
    })
}
