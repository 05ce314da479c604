//! The cap is exact, whatever races for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use proptest::prelude::*;
use tailport::proxy::slots::{NoSlot, Slot, Slots};
use tokio::sync::Barrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_500_that_race_for_50_slots_exactly_50_win() {
    for _ in 0..20 {
        let slots = Slots::new(50);
        let barrier = Arc::new(Barrier::new(500));
        let racers: Vec<_> = (0..500)
            .map(|_| {
                let (slots, barrier) = (slots.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    slots.claim()
                })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            won.extend(racer.await.unwrap());
        }
        assert_eq!(won.len(), 50);
        assert_eq!(slots.refused(), 450);
        assert_eq!(slots.free(), 0);
        drop(won);
        assert_eq!(slots.free(), 50);
    }
}

#[test]
fn without_slots_every_claim_is_refused_and_counted() {
    let slots = Slots::new(0);
    for _ in 0..10 {
        assert_eq!(slots.claim().unwrap_err(), NoSlot::Full);
    }
    assert_eq!(slots.refused(), 10);
}

#[test]
fn a_million_random_steps_of_many_threads_never_exceed_the_cap() {
    const CAP: usize = 37;
    const OWN: usize = 11;
    let slots = Slots::new(CAP);
    let own = slots.at_most(OWN);
    let (held, held_own) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (slots, own, held, held_own) = (&slots, &own, &held, &held_own);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut mine: Vec<(Slot, bool)> = Vec::new();
                // Counted down first: the slot is still held.
                let release = |(slot, limited): (Slot, bool)| {
                    held.fetch_sub(1, SeqCst);
                    if limited {
                        held_own.fetch_sub(1, SeqCst);
                    }
                    drop(slot);
                };
                for _ in 0..125_000 {
                    if random.bool() {
                        let limited = random.bool();
                        let Ok(slot) = (if limited { own } else { slots }).claim() else {
                            continue;
                        };
                        assert!(held.fetch_add(1, SeqCst) < CAP);
                        if limited {
                            assert!(held_own.fetch_add(1, SeqCst) < OWN);
                        }
                        mine.push((slot, limited));
                    } else if !mine.is_empty() {
                        release(mine.swap_remove(random.usize(..mine.len())));
                    }
                }
                mine.into_iter().for_each(release);
            });
        }
    });
    assert_eq!((slots.free(), own.free()), (CAP, OWN));
}

#[test]
fn a_forwards_own_cap_holds_and_takes_from_the_whole() {
    let slots = Slots::new(3);
    let own = slots.at_most(2);
    let first = own.claim().unwrap();
    let _second = own.claim().unwrap();
    assert_eq!(own.claim().unwrap_err(), NoSlot::ForwardFull);
    let _third = slots.claim().unwrap();
    drop(first);
    let _fourth = slots.claim().unwrap();
    assert_eq!(own.claim().unwrap_err(), NoSlot::Full);
    assert_eq!(slots.refused(), 2);
}

#[test]
fn a_claim_is_refused_only_while_a_cap_is_really_reached() {
    const CAP: usize = 2;
    let slots = Slots::new(CAP);
    // With more places of its own than the whole has, it is never out of them.
    let own = slots.at_most(CAP + 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50_000 {
                    match own.claim() {
                        Ok(slot) => drop(slot),
                        Err(reason) => assert_eq!(reason, NoSlot::Full),
                    }
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(|| (0..50_000).for_each(|_| drop(slots.claim())));
        }
    });
    assert_eq!((slots.free(), own.free()), (CAP, CAP));
}

#[test]
fn closed_slots_give_none_and_count_no_refusal_while_held_ones_stay() {
    let slots = Slots::new(2);
    let held = slots.claim().unwrap();
    slots.close();
    assert_eq!(slots.claim().unwrap_err(), NoSlot::Closed);
    assert_eq!(slots.at_most(1).claim().unwrap_err(), NoSlot::Closed);
    assert_eq!(slots.refused(), 0);
    drop(held);
    assert_eq!(slots.free(), 2);
}

#[test]
fn a_slot_returns_when_its_holder_panics() {
    let slots = Slots::new(1);
    let holder = slots.clone();
    let panicked = std::thread::spawn(move || {
        let _slot = holder.claim().unwrap();
        panic!("on purpose");
    })
    .join();
    assert!(panicked.is_err());
    assert_eq!(slots.free(), 1);
}

proptest! {
    #[test]
    fn claims_and_releases_agree_with_a_counter(
        cap in 0usize..20,
        steps in prop::collection::vec(any::<bool>(), 0..400),
    ) {
        let slots = Slots::new(cap);
        let mut held = Vec::new();
        let mut refused = 0;
        for claim in steps {
            if !claim {
                held.pop();
            } else if let Ok(slot) = slots.claim() {
                held.push(slot);
            } else {
                refused += 1;
                prop_assert_eq!(held.len(), cap);
            }
            prop_assert_eq!(slots.free(), cap - held.len());
            prop_assert_eq!(slots.refused(), refused);
        }
    }
}
