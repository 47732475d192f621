//! The stream of Claude's provider: any bytes, however they are cut, give the same events, and nothing follows the stop.

use ws_claude::upstream::{Decoder, Event, EventTooLong};

/// The first byte says into pieces of which length the rest is cut.
pub fn run(data: &[u8]) {
    let Some((len, bytes)) = data.split_first() else { return };
    let whole = decode([bytes]);
    assert_eq!(decode(bytes.chunks(usize::from(*len).max(1))), whole);
    let (events, error) = whole;
    assert_eq!(error, None, "nothing here is that long");
    let stop = events.iter().position(|event| *event == Event::Stop);
    assert!(stop.is_none_or(|at| at + 1 == events.len()), "{events:?}");
    let said: usize = events.iter().map(said).sum();
    // A byte that is no UTF-8 becomes a character of three.
    assert!(said <= bytes.len() * 3, "{said} bytes out of {}", bytes.len());
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<EventTooLong>) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, |event| events.push(event)) {
            return (events, Some(error));
        }
    }
    decoder.finish(|event| events.push(event));
    (events, None)
}

fn said(event: &Event) -> usize {
    match event {
        Event::Text(text) => {
            assert!(!text.is_empty());
            text.len()
        }
        Event::Thinking(text) => text.len(),
        Event::StopReason(reason) => {
            assert!(!reason.is_empty());
            reason.len()
        }
        Event::Begun { .. } | Event::Counted(_) | Event::OtherContent | Event::Stop | Event::Error(_) => 0,
    }
}
