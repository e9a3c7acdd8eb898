//! The grammar of expressions, as a tree.

use super::Error;
use super::lexer::{Token, tokens};
use fpo_files::number;

/// Bound on the length of an expression in bytes.
const LONGEST: usize = 20_000;
/// Bound on the nesting of an expression, which the stack must bear.
const DEEPEST: u32 = 64;
/// Bound on the depth of its tree, in which every operand of a sum is one level.
const HIGHEST: u32 = 256;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) node: Node,
    /// Its first byte in the expression.
    pub(crate) at: usize,
    /// Levels of the tree.
    height: u32,
}

impl Tree {
    fn new(node: Node, at: usize) -> Self {
        let highest = |arguments: &[Argument]| {
            let heights = arguments.iter().map(|argument| argument.value.height);
            heights.max().unwrap_or(0)
        };
        let below = match &node {
            Node::Number(_) | Node::Name(_) | Node::Text(_) => 0,
            Node::List(items) => items.iter().map(|item| item.height).max().unwrap_or(0),
            Node::Prefix(_, of)
            | Node::Property(of, _)
            | Node::Element(of, _)
            | Node::Slice(of, ..) => of.height,
            Node::Infix(_, left, right) => left.height.max(right.height),
            Node::Call(_, arguments) => highest(arguments),
            Node::Method(of, _, arguments) => of.height.max(highest(arguments)),
        };
        let height = below + 1;
        Self { node, at, height }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    Name(String),
    /// A name in quotes, which only functions take.
    Text(String),
    List(Vec<Tree>),
    /// `-` or `not`.
    Prefix(&'static str, Box<Tree>),
    Infix(&'static str, Box<Tree>, Box<Tree>),
    /// A function and its arguments, some with names.
    Call(String, Vec<Argument>),
    /// `of.name`
    Property(Box<Tree>, String),
    /// `of.name(…)`
    Method(Box<Tree>, String, Vec<Argument>),
    /// `of[from]`
    Element(Box<Tree>, i64),
    /// `of[from:to]`
    Slice(Box<Tree>, Option<i64>, Option<i64>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: Option<String>,
    pub(crate) value: Tree,
}

/// The tree of `text`.
pub(crate) fn parse(text: &str) -> Result<Tree, Error> {
    if text.len() > LONGEST {
        let why = format!("an expression has at most {LONGEST} bytes");
        return Err(Error::new(0, why));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let tree = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(tree),
        token => Err(parser.unexpected(&format!("{} does not belong here", show(token)))),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: u32,
}

fn show(token: &Token) -> String {
    match token {
        Token::Number(x) => format!("`{}`", number(*x)),
        Token::Name(name) => format!("`{name}`"),
        Token::Text(text) => format!("`'{text}'`"),
        Token::Symbol(symbol) => format!("`{symbol}`"),
        Token::End => "the end".to_owned(),
    }
}

/// Operators between two operands, from the loosest to the tightest.
const LEVELS: [&[(&str, &str)]; 5] = [
    &[("or", "or"), ("||", "or")],
    &[("and", "and"), ("&&", "and")],
    &[
        ("<", "<"),
        ("<=", "<="),
        (">", ">"),
        (">=", ">="),
        ("==", "=="),
        ("!=", "!="),
    ],
    &[("+", "+"), ("-", "-")],
    &[("*", "*"), ("/", "/")],
];
const COMPARISON: usize = 2;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn unexpected(&self, why: &str) -> Error {
        Error::new(self.at(), why)
    }

    /// Takes the next token if it is this symbol.
    fn takes(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Error> {
        match self.takes(symbol) {
            true => Ok(()),
            false => {
                let why = format!("`{symbol}` is missing before {}", show(self.peek()));
                Err(self.unexpected(&why))
            }
        }
    }

    fn expression(&mut self) -> Result<Tree, Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected(&format!("it is nested deeper than {DEEPEST} levels")));
        }
        let tree = self.level(0)?;
        self.depth -= 1;
        self.check(&tree)?;
        Ok(tree)
    }

    fn check(&self, tree: &Tree) -> Result<(), Error> {
        if tree.height > HIGHEST {
            let why = format!("it has more than {HIGHEST} operations one on top of another");
            return Err(self.unexpected(&why));
        }
        Ok(())
    }

    /// Operands of level `level` and their operators.
    fn level(&mut self, level: usize) -> Result<Tree, Error> {
        let Some(operators) = LEVELS.get(level) else {
            return self.prefix();
        };
        let mut left = self.level(level + 1)?;
        let mut operands = 1;
        loop {
            let word = match self.peek() {
                Token::Symbol(symbol) => *symbol,
                Token::Name(name) => name.as_str(),
                _ => return Ok(left),
            };
            let Some((_, operator)) = operators.iter().find(|(spelled, _)| *spelled == word) else {
                return Ok(left);
            };
            operands += 1;
            if level == COMPARISON && operands > 2 {
                let why = "comparisons cannot be chained: write `a < b and b < c`";
                return Err(self.unexpected(why));
            }
            self.check(&left)?;
            let at = self.at();
            self.next += 1;
            let right = self.level(level + 1)?;
            let node = Node::Infix(operator, Box::new(left), Box::new(right));
            left = Tree::new(node, at);
        }
    }

    fn prefix(&mut self) -> Result<Tree, Error> {
        let at = self.at();
        let operator = match self.peek() {
            Token::Symbol("-") => "-",
            Token::Name(name) if name == "not" => "not",
            _ => return self.power(),
        };
        self.next += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected(&format!("it is nested deeper than {DEEPEST} levels")));
        }
        // `not` is looser than comparisons: `not a < b` is `not (a < b)`.
        let operand = match operator {
            "not" => self.level(COMPARISON),
            _ => self.prefix(),
        }?;
        self.depth -= 1;
        let node = Node::Prefix(operator, Box::new(operand));
        Ok(Tree::new(node, at))
    }

    fn power(&mut self) -> Result<Tree, Error> {
        let base = self.postfix()?;
        let at = self.at();
        if !(self.takes("^") || self.takes("**")) {
            return Ok(base);
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected(&format!("it is nested deeper than {DEEPEST} levels")));
        }
        let exponent = self.prefix()?;
        self.depth -= 1;
        let node = Node::Infix("^", Box::new(base), Box::new(exponent));
        Ok(Tree::new(node, at))
    }

    /// A value with its properties and elements.
    fn postfix(&mut self) -> Result<Tree, Error> {
        let mut tree = self.primary()?;
        // Each of these nests the tree by one more level.
        for _ in 0..DEEPEST {
            let at = self.at();
            if self.takes(".") {
                let Token::Name(name) = self.peek().clone() else {
                    return Err(self.unexpected("a property follows a dot"));
                };
                let at = self.at();
                self.next += 1;
                let node = match self.takes("(") {
                    true => Node::Method(Box::new(tree), name, self.arguments()?),
                    false => Node::Property(Box::new(tree), name),
                };
                tree = Tree::new(node, at);
            } else if self.takes("[") {
                tree = self.index(tree, at)?;
            } else {
                return Ok(tree);
            }
        }
        Err(self.unexpected("it has too many properties in a row"))
    }

    /// What follows `[`.
    fn index(&mut self, of: Tree, at: usize) -> Result<Tree, Error> {
        let from = self.integer()?;
        let node = if self.takes(":") {
            Node::Slice(Box::new(of), from, self.integer()?)
        } else if let Some(from) = from {
            Node::Element(Box::new(of), from)
        } else {
            return Err(self.unexpected("an index is a whole number, as `[0]` or `[1:3]`"));
        };
        self.expect("]")?;
        Ok(Tree::new(node, at))
    }

    fn integer(&mut self) -> Result<Option<i64>, Error> {
        let negative = self.takes("-");
        let Token::Number(number) = *self.peek() else {
            return match negative {
                true => Err(self.unexpected("a number follows `-`")),
                false => Ok(None),
            };
        };
        if number.fract() != 0.0 || number > 1e9 {
            return Err(self.unexpected("an index is a whole number, as `[0]` or `[1:3]`"));
        }
        self.next += 1;
        let number = number as i64;
        Ok(Some(if negative { -number } else { number }))
    }

    fn primary(&mut self) -> Result<Tree, Error> {
        let at = self.at();
        let token = self.peek().clone();
        let node = match token {
            Token::Number(number) => {
                self.next += 1;
                Node::Number(number)
            }
            Token::Text(text) => {
                self.next += 1;
                Node::Text(text)
            }
            Token::Name(name) if !["and", "or", "not"].contains(&name.as_str()) => {
                self.next += 1;
                match self.takes("(") {
                    true => Node::Call(name, self.arguments()?),
                    false => Node::Name(name),
                }
            }
            Token::Symbol("(") => {
                self.next += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("[") => {
                self.next += 1;
                let mut items = Vec::new();
                while !self.takes("]") {
                    items.push(self.expression()?);
                    if !self.takes(",") {
                        self.expect("]")?;
                        break;
                    }
                }
                Node::List(items)
            }
            Token::End => return Err(self.unexpected("it ends too early")),
            token => {
                let why = format!("{} does not belong here", show(&token));
                return Err(self.unexpected(&why));
            }
        };
        Ok(Tree::new(node, at))
    }

    /// What follows `(` of a call.
    fn arguments(&mut self) -> Result<Vec<Argument>, Error> {
        let mut arguments = Vec::new();
        while !self.takes(")") {
            let named = match (self.peek(), self.tokens.get(self.next + 1)) {
                (Token::Name(name), Some((Token::Symbol("="), _))) => Some(name.clone()),
                _ => None,
            };
            self.next += 2 * usize::from(named.is_some());
            let value = self.expression()?;
            arguments.push(Argument { name: named, value });
            if !self.takes(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(arguments)
    }
}
