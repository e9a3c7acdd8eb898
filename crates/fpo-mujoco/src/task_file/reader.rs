//! Typed reading of TOML tables, with the place of everything for error messages.

use super::expression::Compiler;
use super::fault::{Fault, nearest};
use super::quantities::World;
use fpo_files::one_line;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bound on the entries of a table.
const MOST_ENTRIES: usize = 1000;

/// Something and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Located<T> {
    pub(crate) is: T,
    /// Its first byte in the file.
    pub(crate) at: usize,
}

/// A table that is being read.
pub(crate) struct Section<'a> {
    text: &'a str,
    /// Its dotted name; empty for the whole file.
    path: String,
    at: usize,
    table: &'a DeTable<'a>,
    /// Keys that were looked for.
    known: Vec<&'static str>,
}

/// A value with its key.
pub(crate) struct Entry<'a> {
    text: &'a str,
    /// The dotted name of the value.
    pub(crate) path: String,
    pub(crate) at: usize,
    value: &'a Spanned<DeValue<'a>>,
}

/// Parses TOML.
pub(crate) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Fault::new(at, "", one_line(error.message()))
    })
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(text: &'a str, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            text,
            path: String::new(),
            at: 0,
            table: table.get_ref(),
            known: Vec::new(),
        }
    }

    fn dotted(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The place and the name of the table.
    pub(crate) fn fault(&self, why: impl std::fmt::Display) -> Fault {
        Fault::new(self.at, self.path.clone(), why)
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some(Entry {
            text: self.text,
            path: self.dotted(key),
            at: value.span().start,
            value,
        })
    }

    /// The value of `key`, which must be there.
    pub(crate) fn require(&mut self, key: &'static str) -> Result<Entry<'a>, Fault> {
        let missing = match self.path.as_str() {
            "" => Fault::new(0, "", format!("`{key}` is missing")),
            _ => self.fault(format!("`{key}` is missing")),
        };
        self.get(key).ok_or(missing)
    }

    /// All entries in the order of the file.
    pub(crate) fn entries(&self) -> Result<Vec<(Located<String>, Entry<'a>)>, Fault> {
        if self.table.len() > MOST_ENTRIES {
            return Err(self.fault(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let entries = self.table.iter().map(|(key, value)| {
            let name = Located {
                is: key.get_ref().to_string(),
                at: key.span().start,
            };
            let entry = Entry {
                text: self.text,
                path: self.dotted(&name.is),
                at: value.span().start,
                value,
            };
            (name, entry)
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(name, _)| name.at);
        Ok(entries)
    }

    /// Refuses keys that nobody looked for.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        let unknown = self.entries()?.into_iter();
        let mut unknown = unknown.filter(|(key, _)| !self.known.contains(&key.is.as_str()));
        match unknown.next() {
            None => Ok(()),
            Some((key, _)) => {
                let near = nearest(&key.is, self.known.iter().copied());
                let term = self.path.clone();
                Err(Fault::new(
                    key.at,
                    term,
                    format!("unknown key `{}`{near}", key.is),
                ))
            }
        }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn fault(&self, why: impl std::fmt::Display) -> Fault {
        Fault::new(self.at, self.path.clone(), why)
    }

    fn is_not(&self, what: &str) -> Fault {
        let kind = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("this is {what}, not {kind}"))
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    pub(crate) fn section(&self) -> Result<Section<'a>, Fault> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(Section {
                text: self.text,
                path: self.path.clone(),
                at: self.at,
                table,
                known: Vec::new(),
            }),
            _ => Err(self.is_not("a table")),
        }
    }

    /// The tables of an array of tables.
    pub(crate) fn sections(&self) -> Result<Vec<Section<'a>>, Fault> {
        self.items("a list of tables, as `[[push]]`")?
            .iter()
            .map(Entry::section)
            .collect()
    }

    fn items(&self, what: &str) -> Result<Vec<Entry<'a>>, Fault> {
        let DeValue::Array(items) = self.value.get_ref() else {
            return Err(self.is_not(what));
        };
        if items.len() > MOST_ENTRIES {
            return Err(self.fault(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let items = items.iter().enumerate().map(|(i, value)| Entry {
            text: self.text,
            path: format!("{}[{i}]", self.path),
            at: value.span().start,
            value,
        });
        Ok(items.collect())
    }

    pub(crate) fn string(&self) -> Result<Located<String>, Fault> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(Located {
                is: text.to_string(),
                at: self.at,
            }),
            _ => Err(self.is_not("a text")),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, Fault> {
        match self.value.get_ref() {
            DeValue::Boolean(is) => Ok(*is),
            _ => Err(self.is_not("true or false")),
        }
    }

    /// One text, or a list of texts.
    pub(crate) fn strings(&self) -> Result<Vec<Located<String>>, Fault> {
        match self.value.get_ref() {
            DeValue::String(_) => Ok(vec![self.string()?]),
            _ => self
                .items("a name or a list of names")?
                .iter()
                .map(Entry::string)
                .collect(),
        }
    }

    /// An expression: a text, or a number.
    pub(crate) fn expression(&self) -> Result<Located<String>, Fault> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(Located {
                is: text.to_string(),
                at: self.content(),
            }),
            DeValue::Integer(_) | DeValue::Float(_) => Ok(Located {
                is: format!("{:?}", self.number()?),
                at: self.at,
            }),
            _ => Err(self.is_not("an expression in quotes, or a number")),
        }
    }

    /// The first byte of a text without its quotes.
    fn content(&self) -> usize {
        let span = self.value.span();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let quotes = [
            "'''\n",
            "\"\"\"\n",
            "'''\r\n",
            "\"\"\"\r\n",
            "'''",
            "\"\"\"",
            "'",
            "\"",
        ];
        let quotes = quotes.iter().find(|quotes| raw.starts_with(**quotes));
        span.start + quotes.map_or(0, |quotes| quotes.len())
    }

    /// A finite number, also as an expression of constants.
    pub(crate) fn number(&self) -> Result<f64, Fault> {
        let numbers = self.numbers("a number")?;
        match numbers[..] {
            [number] => Ok(number),
            _ => Err(self.fault(format!("this is one number, not {}", numbers.len()))),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, least: u32, most: u32) -> Result<u32, Fault> {
        let number = self.number()?;
        if number.fract() != 0.0 || number < f64::from(least) || number > f64::from(most) {
            return Err(self.fault(format!("this is a whole number from {least} to {most}")));
        }
        Ok(number as u32)
    }

    /// A number within bounds.
    pub(crate) fn within(&self, least: f64, most: f64) -> Result<f64, Fault> {
        let number = self.number()?;
        match (least..=most).contains(&number) {
            true => Ok(number),
            false => Err(self.fault(format!("this is a number from {least} to {most}"))),
        }
    }

    /// A number, a list of numbers, or an expression of constants.
    pub(crate) fn numbers(&self, what: &str) -> Result<Vec<f64>, Fault> {
        let numbers = match self.value.get_ref() {
            DeValue::Integer(number) => {
                let digits = i64::from_str_radix(number.as_str(), number.radix());
                vec![digits.map_err(|_| self.fault("this number is too large"))? as f64]
            }
            DeValue::Float(number) => {
                let number = number.as_str().replace('_', "");
                vec![
                    number
                        .parse()
                        .map_err(|_| self.fault("this is no number"))?,
                ]
            }
            DeValue::String(text) => {
                let world = World::default();
                let mut compiler = Compiler::new(&world, Vec::new());
                let fault =
                    |at: usize, why: &str| Fault::new(self.content() + at, self.path.clone(), why);
                let value = compiler
                    .add(text)
                    .map_err(|error| fault(error.at, &error.why))?;
                let numbers = compiler.numbers(value).map(<[f64]>::to_vec);
                numbers.ok_or_else(|| fault(0, "this must be known beforehand"))?
            }
            DeValue::Array(_) => {
                let items = self.items(what)?;
                let items = items.iter().map(Entry::number);
                items.collect::<Result<Vec<_>, _>>()?
            }
            _ => return Err(self.is_not(what)),
        };
        match numbers.iter().find(|number| !number.is_finite()) {
            Some(number) => Err(self.fault(format!("this is {number}, not a finite number"))),
            None => Ok(numbers),
        }
    }

    /// `[low, high]`; one number is both.
    pub(crate) fn range(&self) -> Result<[f64; 2], Fault> {
        let numbers = self.numbers("a range, as `[-1, 1]`")?;
        match numbers[..] {
            [both] => Ok([both, both]),
            [low, high] if low <= high => Ok([low, high]),
            [_, _] => Err(self.fault("the first number of a range is the lower one")),
            _ => Err(self.fault(format!(
                "a range is `[low, high]`, not {} numbers",
                numbers.len()
            ))),
        }
    }

    /// A list of ranges, or one range.
    pub(crate) fn ranges(&self) -> Result<Vec<[f64; 2]>, Fault> {
        if let DeValue::Array(items) = self.value.get_ref()
            && items.iter().any(|item| item.get_ref().is_array())
        {
            let items = self.items("ranges")?;
            return items.iter().map(Entry::range).collect();
        }
        Ok(vec![self.range()?])
    }
}
