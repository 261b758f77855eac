//! Lines of figures, and whether each holds what is asked of it.
#![allow(clippy::print_stdout, reason = "what a bench is for")]

/// What a run printed.
#[derive(Debug, Default)]
pub struct Report {
    missed: Vec<String>,
}

impl Report {
    /// A headline.
    pub fn head(&mut self, text: &str) {
        println!("\n{text}");
    }

    /// A figure that nothing is asked of.
    pub fn line(&mut self, what: &str, figure: &str) {
        println!("  {what:<52} {figure:>16}");
    }

    /// A figure beside another one: `part` of it, at least or at most `bound`.
    pub fn beside(&mut self, what: &str, part: f64, bound: Bound) {
        let (sign, wanted, holds) = match bound {
            Bound::AtLeast(wanted) => (">=", wanted, part >= wanted),
            Bound::AtMost(wanted) => ("<=", wanted, part <= wanted),
        };
        let words = if holds { "holds" } else { "MISSED" };
        println!("  {what:<52} {part:>15.2}x  target {sign} {wanted}x: {words}");
        if !holds {
            self.missed.push(what.to_owned());
        }
    }

    /// A figure that is to be reached by itself.
    pub fn reaches(&mut self, what: &str, figure: f64, wanted: f64) {
        let words = if figure >= wanted { "holds" } else { "MISSED" };
        println!("  {what:<52} {figure:>14.0}/s  target >= {wanted}/s: {words}");
        if figure < wanted {
            self.missed.push(what.to_owned());
        }
    }

    /// Which targets were missed.
    pub fn end(&self) {
        match self.missed.as_slice() {
            [] => println!("\nevery target holds"),
            missed => println!("\ntargets missed: {}", missed.join("; ")),
        }
    }
}

/// What is asked of a ratio.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// So many in a second.
pub fn per_second(figure: f64) -> String {
    format!("{figure:.0}/s")
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
