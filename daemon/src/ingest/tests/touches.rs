//! What counts as contact with a customer, from the mail that came in.

use liaison_core::ids::AccountId;
use liaison_core::touch::{Touch, Way};

use super::*;
use crate::books::indexes::walk::{Mode, walk};
use crate::books::keys::TouchBy;

async fn touches(house: &House, account: &AccountId) -> Vec<Touch> {
    let books = &house.books;
    books
        .touches(TouchBy::Account, account.as_str())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_people_is_contact_and_mail_of_machines_is_none() {
    let mut house = House::new().await;
    let clinic = house.know_the_clinic().await;
    let automatic = "Auto-Submitted: auto-replied";
    house
        .receive(&from_ann("away", "Away", "I am away.", automatic))
        .await;
    let list = "List-Id: <news.clinic.example.com>\r\nList-Unsubscribe: <https://example.com>";
    house
        .receive(&from_ann("news", "News", "Our news.", list))
        .await;
    assert_eq!(touches(&house, &clinic).await, []);
    house
        .receive(&from_ann("hello", "Hello", "Can we talk?", ""))
        .await;
    house
        .receive(&from_ann("hello", "Hello", "Can we talk?", ""))
        .await;
    let of_ann = touches(&house, &clinic).await;
    assert_eq!(of_ann.len(), 1, "{of_ann:?}");
    assert_eq!(
        (of_ann[0].way, of_ann[0].person.as_deref()),
        (Way::MailIn, Some("mailbox:sam"))
    );
    house.advance(2);
    let ours = mail(
        &["sam@example.net", "ann@clinic.example.com"],
        "answer",
        "Re: Hello",
        "Yes.",
        "",
    );
    house.sent(&ours).await;
    let last = house
        .books
        .last_touch(TouchBy::Account, clinic.as_str(), |_| true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (last.way, last.person.as_deref()),
        (Way::MailOut, Some("sam@example.net"))
    );
    let by_sam = house
        .books
        .touches(TouchBy::Person, "sam@example.net")
        .await
        .unwrap();
    assert_eq!(by_sam, [last]);
    let behind = |touch: &Touch| touch.way == Way::MailIn;
    let found = house
        .books
        .last_touch(TouchBy::Account, clinic.as_str(), behind)
        .await;
    assert_eq!(found.unwrap().as_ref(), of_ann.first());
    // The index is what the records say.
    let mut faults = Vec::new();
    walk(&house.books, Mode::Look, &mut |fault| faults.push(fault))
        .await
        .unwrap();
    assert_eq!(faults, []);
}
