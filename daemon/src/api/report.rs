//! `report`: questions about the records.
//!
//! The questions themselves are in [`liaison_core::report`]; here they are fed, page by page.

use liaison_core::crm::{CrmRecord, Kind, money};
use liaison_core::effect::MailEffect;
use liaison_core::mail::address::Address;
use liaison_core::records::TaskRecord;
use liaison_core::report::{
    DAYS_MAX, Fact, Feed, Given, Params, Quarter, Question, ReportError, all, find,
};
use liaison_core::touch::{MAILBOX, Touch};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, records};
use crate::books::keys::TouchBy;
use crate::office::Office;
use crate::records::{RecordBook, StandingIds};
use crate::store::{Ns, Range};

/// What `report` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    name: String,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    days: Option<i64>,
    #[serde(default)]
    period: Option<String>,
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    deal: Option<String>,
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    amount: Option<String>,
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> ApiError {
        ApiError::Arguments(error.to_string())
    }
}

pub(super) async fn list(
    _context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let reports = all().iter().map(|spec| {
        json!({
            "name": spec.name,
            "about": spec.question("N days"),
            "needs": spec.needs,
            "takes": spec.takes,
            "days": spec.days,
        })
    });
    Ok(json!({ "reports": reports.collect::<Vec<_>>() }))
}

pub(super) async fn ask(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Ask,
) -> Result<Value, ApiError> {
    let spec = find(&arguments.name)?;
    spec.check(&arguments.given())?;
    let book = records::book(context);
    let params = arguments.params(context, &book).await?;
    let standing = book.standing_ids().await?;
    let mut asking = Asking {
        context,
        book: &book,
        params: &params,
        standing: &standing,
        question: spec.ask(&params),
    };
    for feed in asking.question.feeds() {
        asking.feed(*feed).await?;
    }
    let report = spec.report(&params, asking.question.answer());
    serde_json::to_value(&report).map_err(|error| ApiError::Arguments(error.to_string()))
}

impl Ask {
    fn given(&self) -> Vec<Given> {
        let is_given = |given: &Given| match given {
            Given::Account => self.account.is_some(),
            Given::Person => self.person.is_some(),
            Given::Days => self.days.is_some(),
            Given::Period => self.period.is_some(),
            Given::Product => self.product.is_some(),
            Given::Deal => self.deal.is_some(),
            Given::Contact => self.contact.is_some(),
            Given::Amount => self.amount.is_some(),
        };
        Given::ALL.into_iter().filter(is_given).collect()
    }

    async fn params(&self, context: &ApiContext, book: &RecordBook) -> Result<Params, ApiError> {
        let zone = context.office.firm.business.zone().clone();
        let today = context.now().to_jiff().to_zoned(zone.clone()).date();
        let mut params = Params {
            zone,
            ..Params::on(today)
        };
        if let Some(text) = &self.account {
            let account = book.find(Kind::Account, text).await?;
            if let Some(amount) = &self.amount {
                let amount = money::parse(amount, account.text("currency"));
                params.amount = Some(amount.map_err(|error| wrong("amount", &error))?);
            }
            params.account = Some(account.id);
        }
        if let Some(text) = &self.person {
            let person = Address::parse(text).map_err(|e| wrong("person", &e.to_string()))?;
            params.person = Some(person.key());
        }
        if let Some(days) = self.days {
            let days = i32::try_from(days).ok();
            let days = days.filter(|days| (0..=DAYS_MAX).contains(days));
            params.days = Some(days.ok_or(ReportError::Days(self.days.unwrap_or_default()))?);
        }
        if let Some(text) = &self.period {
            params.period = Some(Quarter::parse(text)?);
        }
        if let Some(text) = &self.product {
            params.product = Some(book.find(Kind::Product, text).await?.id);
        }
        if let Some(text) = &self.deal {
            params.deal = Some(book.find(Kind::Opportunity, text).await?.id);
        }
        if let Some(text) = &self.contact {
            let contact = book.find(Kind::Contact, text).await?;
            let addresses = contact.texts("emails").to_vec();
            params.contact = Some((contact.id, addresses));
        }
        Ok(params)
    }
}

fn wrong(field: &str, reason: &str) -> ApiError {
    ApiError::Arguments(format!("--{field}: {reason}"))
}

struct Asking<'a> {
    context: &'a ApiContext,
    book: &'a RecordBook,
    params: &'a Params,
    /// Lines are by the records that stand now, whatever a fact was written with.
    standing: &'a StandingIds,
    question: Box<dyn Question>,
}

impl Asking<'_> {
    async fn feed(&mut self, feed: Feed) -> Result<(), ApiError> {
        let question = &mut self.question;
        let (books, standing) = (&self.context.books, self.standing);
        match feed {
            Feed::Records(kind) => self.records(kind).await?,
            Feed::Named => {
                for (kind, id) in question.named() {
                    if let Some(record) = self.book.get(kind, &id).await? {
                        let mut record = self.book.standing(record).await?;
                        // Lines know it by the id that they were written with.
                        record.id = id;
                        question.take(Fact::Named(&record));
                    }
                }
            }
            Feed::LastTouches => self.touches(|_| true).await?,
            Feed::LastCalls => self.touches(|touch| touch.way.is_spoken()).await?,
            Feed::Mails => {
                let each = |mut mail: MailEffect| {
                    standing.relink_mail(&mut mail);
                    question.take(Fact::Mail(&mail));
                };
                books.each(Range::all(Ns::Effect), each).await?;
            }
            Feed::Tasks => {
                let each = |mut task: TaskRecord| {
                    standing.relink_task(&mut task);
                    question.take(Fact::Task(&task));
                };
                books.each(Range::all(Ns::Task), each).await?;
            }
        }
        Ok(())
    }

    async fn records(&mut self, kind: Kind) -> Result<(), ApiError> {
        let question = &mut self.question;
        let standing = self.standing;
        let mut each = |mut record: CrmRecord| {
            standing.relink(&mut record);
            question.take(Fact::Record(&record));
        };
        let Some(account) = &self.params.account else {
            return Ok(self.book.each(kind, each).await?);
        };
        let found = match kind {
            Kind::Account => self.book.get(kind, account).await?.into_iter().collect(),
            Kind::Product | Kind::Quota | Kind::Forecast => {
                return Ok(self.book.each(kind, each).await?);
            }
            Kind::Exposure | Kind::Reference => {
                let mut found = Vec::new();
                for contact in self.book.linked(Kind::Contact, "account", account).await? {
                    found.extend(self.book.linked(kind, "contact", &contact.id).await?);
                }
                found
            }
            _ => self.book.linked(kind, "account", account).await?,
        };
        found.into_iter().for_each(&mut each);
        Ok(())
    }

    async fn touches(&mut self, counts: impl Fn(&Touch) -> bool) -> Result<(), ApiError> {
        for account in self.question.accounts() {
            let mut last: Option<Touch> = None;
            for id in self.book.all_names_of(&account).await? {
                let books = &self.context.books;
                let found = books.last_touch(TouchBy::Account, &id, &counts).await?;
                last = last.into_iter().chain(found).max_by_key(|touch| touch.at);
            }
            if let Some(mut touch) = last {
                touch.person = touch
                    .person
                    .map(|person| who_of_us(&self.context.office, &person));
                touch.account = account.into();
                self.question.take(Fact::Touch(&touch));
            }
        }
        Ok(())
    }
}

/// Who of us is meant by the person of a touch: of a mailbox, its owner.
pub(super) fn who_of_us(office: &Office, person: &str) -> String {
    let Some(mailbox) = person.strip_prefix(MAILBOX) else {
        return person.to_owned();
    };
    let route = office.mailboxes.get(&mailbox.into());
    let owner = route.and_then(|route| route.owner.clone());
    owner.unwrap_or_else(|| format!("mailbox {mailbox}"))
}

#[cfg(test)]
mod tests;
