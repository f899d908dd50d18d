//! `Total`: adds up what a batch brings to each window and campaign.

use bytes::Bytes;
use schemas::{
    Envelope, EventKind, LateEvent, Money, Timestamp, TrackingChanges, TrackingEvent, WindowCount, WindowKey, Windowed,
};

use crate::{Operator, Output};

/// Turns events in windows into the changes of one epoch: rows to keep and sums to add. Emits one item per batch.
#[derive(Debug, Default)]
pub struct Total {
    changes: TrackingChanges,
    /// Impressions and windows of the batch before, and some more: the next one has about as many, and lists that grew would
    /// be copied again and again.
    room: (usize, usize),
}

impl Total {
    /// Per window and, for the whole campaign, per line.
    pub fn per_window() -> Self {
        Self::default()
    }
}

impl Operator for Total {
    type In = Windowed;
    type Out = TrackingChanges;

    fn on_item(&mut self, item: Windowed, _out: &mut Output<'_, TrackingChanges>) {
        if self.changes.impressions.is_empty() {
            self.changes.impressions.reserve(self.room.0);
            self.changes.windows.reserve(self.room.1);
        }
        add(&mut self.changes, item);
    }

    fn on_end(&mut self, out: &mut Output<'_, TrackingChanges>) {
        let with_some_more = |len: usize| len + len / 16;
        self.room = (with_some_more(self.changes.impressions.len()), with_some_more(self.changes.windows.len()));
        out.emit(std::mem::take(&mut self.changes));
    }
}

fn add(changes: &mut TrackingChanges, item: Windowed) {
    match item {
        Windowed::Event { event, window, late } => add_event(changes, event, window, late),
        Windowed::Reversal(reversal) => changes.reversals.push(reversal),
    }
}

fn add_event(changes: &mut TrackingChanges, mut event: Envelope<TrackingEvent>, window: Timestamp, late: bool) {
    // Nothing will reject it any more. Its bytes share a buffer with the whole batch's, which goes with the last of them.
    event.origin.payload = Bytes::new();
    let body = &event.body;
    let key = WindowKey { campaign: body.campaign.clone(), influencer: body.influencer.clone(), start: window };
    let total = changes.totals.entry(key.campaign.clone()).or_default();
    let count = changes.windows.entry(key.clone()).or_insert(WindowCount { late, ..WindowCount::default() });
    match body.kind {
        EventKind::Impression => {
            count.impressions += 1;
            total.impressions += 1;
        }
        EventKind::Click => {
            count.clicks += 1;
            total.clicks += 1;
        }
        EventKind::Conversion { amount, .. } => {
            count.conversions += 1;
            total.conversions += 1;
            add_amount(changes, &key, amount, late);
        }
    }
    if late {
        changes.late.push(LateEvent {
            window: key,
            position: event.origin.position,
            event_time: body.event_time,
            published_at: event.origin.published_at,
        });
    }
    match event.body.kind {
        EventKind::Impression | EventKind::Click => changes.impressions.push(event),
        EventKind::Conversion { .. } => changes.conversions.push(event),
    }
}

fn add_amount(changes: &mut TrackingChanges, key: &WindowKey, money: Money, late: bool) {
    let (currency, amount) = (money.currency(), money.amount());
    let window = changes.amounts.entry((key.clone(), currency)).or_default();
    window.late = late;
    // One amount has at most 12 digits before the point and a batch at most 10⁵ of them: far below Decimal's 28.
    window.amount = window.amount.saturating_add(amount);
    let total = changes.total_amounts.entry((key.campaign.clone(), currency)).or_default();
    *total = total.saturating_add(amount);
}
