//! The reports by name.

use super::{Given, Params, Question, ReportSpec};
use super::{
    approach, contacts, contracts, forecast, office, portfolio, relations, sales, whitespace,
};

const fn spec(
    name: &'static str,
    about: &'static str,
    make: fn(&Params) -> Box<dyn Question>,
) -> ReportSpec {
    ReportSpec {
        name,
        about,
        needs: &[],
        takes: &[Given::Account, Given::Person],
        days: None,
        make,
    }
}

const fn days(spec: ReportSpec, days: i32) -> ReportSpec {
    ReportSpec {
        days: Some(days),
        takes: &[Given::Account, Given::Person, Given::Days],
        ..spec
    }
}

const fn needs(spec: ReportSpec, needs: &'static [Given]) -> ReportSpec {
    ReportSpec {
        needs,
        takes: &[],
        ..spec
    }
}

const fn takes(spec: ReportSpec, takes: &'static [Given]) -> ReportSpec {
    ReportSpec { takes, ..spec }
}

/// Days of a year, for what was earned in it.
const YEAR: i32 = 365;

pub(super) const REPORTS: &[ReportSpec] = &[
    needs(
        spec(
            "whitespace",
            "What an account buys of what we could sell, where, and whom we know there",
            whitespace::ask,
        ),
        &[Given::Account],
    ),
    spec(
        "pipeline",
        "Open opportunities by stage, value, owner and age in the stage",
        sales::pipeline,
    ),
    days(
        spec(
            "ageing",
            "Open opportunities without a dated next step, stalled twice or more, or for \
             {days} days in one stage",
            sales::ageing,
        ),
        30,
    ),
    needs(
        spec("deal", "One opportunity in five lines", sales::deal),
        &[Given::Deal],
    ),
    takes(
        spec(
            "forecast",
            "Closed, commit, best case and pipeline of a quarter against the quota, and the \
             change since the last snapshot",
            forecast::forecast,
        ),
        &[Given::Person, Given::Period],
    ),
    takes(
        days(
            spec(
                "won-lost",
                "What was won and lost in {days} days, and why",
                sales::won_lost,
            ),
            90,
        ),
        &[Given::Account, Given::Person, Given::Days, Given::Period],
    ),
    takes(
        spec(
            "pipeline-created",
            "Opportunities created by quarter, and how far what is open covers the next quota",
            forecast::created,
        ),
        &[Given::Person],
    ),
    days(
        spec(
            "silent",
            "Active accounts with which there was no contact for {days} days",
            relations::silent,
        ),
        7,
    ),
    days(
        spec(
            "past-clients",
            "Past clients with whom nobody spoke for {days} days",
            relations::past_clients,
        ),
        90,
    ),
    days(
        spec(
            "key-portfolio",
            "Key accounts by manager, with what they brought in {days} days",
            portfolio::key_portfolio,
        ),
        YEAR,
    ),
    takes(
        days(
            spec(
                "profit",
                "Accounts by profit beside their rank by revenue, in {days} days",
                portfolio::profit,
            ),
            YEAR,
        ),
        &[Given::Days],
    ),
    takes(
        days(
            spec(
                "concentration",
                "The share of each account and industry in the revenue of {days} days",
                portfolio::concentration,
            ),
            YEAR,
        ),
        &[Given::Days],
    ),
    takes(
        days(
            spec(
                "agreements",
                "Agreements due within {days} days, billable work without valid terms, NDAs in \
                 force",
                contracts::agreements,
            ),
            60,
        ),
        &[Given::Account, Given::Days],
    ),
    takes(
        days(
            spec(
                "bookings",
                "Client bookings of less than a day, bookings that overlap, and orphans, until \
                 {days} days from now",
                contracts::bookings,
            ),
            90,
        ),
        &[Given::Account, Given::Person, Given::Days],
    ),
    days(
        spec(
            "warranties",
            "Warranties that end within {days} days or ended with the project still open",
            contracts::warranties,
        ),
        30,
    ),
    spec(
        "single-contact",
        "Accounts where we know one person or nobody, or nobody in operations, finance or \
         product development",
        contacts::single_contact,
    ),
    takes(
        days(
            spec(
                "references",
                "Referrals and testimonials asked and given, and satisfied contacts not asked for \
                 {days} days",
                contacts::references,
            ),
            YEAR,
        ),
        &[Given::Account, Given::Days],
    ),
    takes(
        days(
            spec(
                "exposure",
                "Contacts who were not shown a product, or any, for {days} days",
                contacts::exposure,
            ),
            90,
        ),
        &[Given::Account, Given::Product, Given::Days],
    ),
    spec(
        "unknown",
        "What is not known of each account that helps to choose among them",
        approach::unknown,
    ),
    days(
        spec(
            "fiscal",
            "Accounts whose fiscal year ends within {days} days",
            approach::fiscal,
        ),
        60,
    ),
    needs(
        spec(
            "sign-off",
            "Who signs off an amount at an account",
            approach::sign_off,
        ),
        &[Given::Account, Given::Amount],
    ),
    spec(
        "resellers",
        "Resellers without a business plan",
        approach::resellers,
    ),
    takes(
        spec(
            "approvals",
            "Mails that wait for somebody's approval, and whose",
            office::approvals,
        ),
        &[Given::Account, Given::Person],
    ),
    spec(
        "followups",
        "Today's follow-ups: existing clients, prospects, internal",
        office::followups,
    ),
    ReportSpec {
        takes: &[Given::Days],
        days: Some(YEAR),
        ..needs(
            spec(
                "sent",
                "What we sent to a contact in {days} days, and why",
                office::sent,
            ),
            &[Given::Contact],
        )
    },
];
