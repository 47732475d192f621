//! What the checks have found, as a table or as JSON.

use serde_json::json;

use crate::app::VERSION;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// The server works, but not as well as it could.
    Warning,
    /// The server does not work, or loses what it should not.
    Problem,
    /// There was nothing to check.
    Skipped,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
            Verdict::Skipped => "skipped",
        }
    }
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Check { what, verdict: Verdict::Fine, found: found.into(), advice: None }
    }

    pub(super) fn skipped(what: &'static str, found: impl Into<String>) -> Self {
        Check { what, verdict: Verdict::Skipped, found: found.into(), advice: None }
    }

    pub(super) fn warning<'a>(
        what: &'static str,
        found: impl Into<String>,
        advice: impl Into<Option<&'a str>>,
    ) -> Self {
        Check { what, verdict: Verdict::Warning, found: found.into(), advice: advice.into().map(str::to_owned) }
    }

    pub(super) fn problem<'a>(
        what: &'static str,
        found: impl Into<String>,
        advice: impl Into<Option<&'a str>>,
    ) -> Self {
        Check { what, verdict: Verdict::Problem, found: found.into(), advice: advice.into().map(str::to_owned) }
    }
}

/// All checks, in their order.
#[derive(Debug)]
pub(super) struct Report(pub(super) Vec<Check>);

impl Report {
    pub(super) fn is_fine(&self) -> bool {
        self.count(Verdict::Problem) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Three columns; advice stands below what was found.
    pub(super) fn to_table(&self) -> String {
        let mut out = String::new();
        for Check { what, verdict, found, advice } in &self.0 {
            out.push_str(&format!("{what:<16}{:<9}{found}\n", verdict.word()));
            advice.iter().for_each(|advice| out.push_str(&format!("{:<25}→ {advice}\n", "")));
        }
        let (problems, warnings) = (self.count(Verdict::Problem), self.count(Verdict::Warning));
        out.push_str(&format!("{problems} problems, {warnings} warnings\n"));
        out
    }

    /// One object, with the checks in the same order.
    pub(super) fn to_json(&self) -> String {
        let checks = self.0.iter().map(|Check { what, verdict, found, advice }| {
            json!({ "check": what, "verdict": verdict.word(), "found": found, "advice": advice })
        });
        let checks: Vec<_> = checks.collect();
        format!("{:#}\n", json!({ "ok": self.is_fine(), "server": format!("ws-server/{VERSION}"), "checks": checks }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_not_fine_and_a_warning_is() {
        let fine = |checks| Report(checks).is_fine();
        assert!(fine(vec![Check::fine("a", "1"), Check::skipped("b", "2"), Check::warning("c", "3", None)]));
        assert!(!fine(vec![Check::fine("a", "1"), Check::problem("b", "2", "do this")]));
    }

    #[test]
    fn the_table_has_its_columns() {
        let report = Report(vec![Check::fine("clock", "right"), Check::problem("address", "in use", "stop the other")]);
        let table = "clock           ok       right\n\
                     address         problem  in use\n                         → stop the other\n\
                     1 problems, 0 warnings\n";
        assert_eq!(report.to_table(), table);
    }

    #[test]
    fn json_says_the_same() {
        let report = Report(vec![Check::warning("clock", "late", "set it")]);
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
        assert_eq!(json["ok"], true);
        let check = json!({ "check": "clock", "verdict": "warning", "found": "late", "advice": "set it" });
        assert_eq!(json["checks"], json!([check]));
    }
}
