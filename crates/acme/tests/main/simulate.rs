//! Ten years of renewals, without a CA: the decisions of [`acme::renewal`] against outages, restarts and a wrong clock.

use std::time::Duration;

use acme::attempts::Attempts;
use acme::renewal::next;
use acme::state::{Advice, Current, Open, State, parse_state};
use acme::when::{Validity, Window};
use acme::{Chain, KeyType, Name};
use event::Timestamp;
use rustls::pki_types::CertificateDer;
use spine::clock::{after, between};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEARS: u32 = 10;
const SEEDS: u64 = 200;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 20)).unwrap()) / f64::from(1 << 20)
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + (most - least).mul_f64(self.share())
    }
}

/// The machine and the CA.
struct World {
    random: Random,
    /// True time.
    now: Timestamp,
    /// Ends of the CA's present state and of the clock's present error.
    ca_until: Timestamp,
    ca_up_since: Option<Timestamp>,
    clock_until: Timestamp,
    /// Microseconds that the machine's clock is ahead.
    ahead: i64,
    lifetime: Duration,
    state: State,
    chain: Option<Chain>,
    certificates: u32,
    orders: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let lifetimes = [160 * HOUR, 45 * DAY, 64 * DAY, 90 * DAY];
        let lifetime = lifetimes[usize::try_from(random.below(4)).unwrap()];
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        Self {
            random,
            now,
            ca_until: now,
            ca_up_since: None,
            clock_until: now,
            ahead: 0,
            lifetime,
            state: State::default(),
            chain: None,
            certificates: 0,
            orders: 0,
        }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.now.as_micros() + self.ahead)
    }

    /// Lets the CA fail or recover, and the clock go wrong or be set right.
    fn change(&mut self) {
        if self.now >= self.ca_until {
            let (up, length) = match self.ca_up_since {
                Some(_) => (false, self.random.between(HOUR, 5 * DAY)),
                None => (true, self.random.between(DAY, 60 * DAY)),
            };
            self.ca_up_since = up.then_some(self.now);
            self.ca_until = after(self.now, length);
        }
        if self.now >= self.clock_until {
            let hours = i64::try_from(self.random.below(4)).unwrap() - 2;
            self.ahead = if self.ahead == 0 { hours * 3_600_000_000 } else { 0 };
            self.clock_until = after(self.now, self.random.between(HOUR, 40 * DAY));
        }
    }

    /// Makes an attempt as the daemon does.
    fn attempt(&mut self) {
        let wall = self.wall();
        if self.ca_up_since.is_none() {
            return self.fail();
        }
        if self.state.open.is_none() {
            let bound = Attempts { not_before: None, ..self.state.attempts.clone() };
            if bound.earliest(wall, false) > wall {
                return self.fail();
            }
            self.state.attempts.ordered(wall);
            self.orders += 1;
            self.state.open = Some(Open {
                directory: "ca".to_owned(),
                names: vec![name()],
                profile: None,
                key: KeyType::P256,
                order: "order".to_owned(),
                ordered: wall,
                number: 1,
                records: Vec::new(),
            });
        }
        match self.random.below(100) {
            // the validation fails, and with it the order
            0..2 => {
                self.state.open = None;
                self.fail();
            }
            // the process or the connection ends in the middle
            2..12 => self.fail(),
            _ => self.issue(),
        }
    }

    fn fail(&mut self) {
        let wall = self.wall();
        let left = self.chain.as_ref().map(|chain| between(wall, chain.validity.not_after));
        let random = self.random.share();
        self.state.attempts.failed(wall, left, None, random);
    }

    fn issue(&mut self) {
        self.certificates += 1;
        let not_before = Timestamp::from_micros(self.now.as_micros() - 3_600_000_000);
        let validity = Validity { not_before, not_after: after(not_before, self.lifetime) };
        let serial = format!("{:08x}", self.certificates);
        // some CAs suggest a window, sometimes an early one
        let window = (self.random.below(3) > 0).then(|| {
            let start = after(not_before, self.lifetime.mul_f64(0.3 + self.random.share() / 2.0));
            Window { start, end: after(start, self.lifetime / 30) }
        });
        self.state.advice =
            Some(Advice { serial: serial.clone(), window, explanation: None, ask_again: self.now });
        self.state.current =
            Some(Current { number: 1, directory: "ca".to_owned(), stored: self.wall(), revoked: false });
        self.state.open = None;
        self.state.attempts.succeeded();
        self.chain = Some(Chain {
            certificates: vec![CertificateDer::from(serial.clone().into_bytes())],
            names: vec![name()],
            serial,
            issuer: "CA".to_owned(),
            validity,
            ari_id: None,
            public_key: Vec::new(),
        });
    }

    fn run(&mut self, seed: u64) {
        let end = after(self.now, 365 * DAY * YEARS);
        while self.now < end {
            self.change();
            let wall = self.wall();
            let names = [name()];
            let next = next(&self.state, self.chain.as_ref(), &names, None, wall);
            if next.at <= wall {
                self.attempt();
            }
            if self.random.below(200) == 0 {
                // a restart
                self.state = parse_state(&serde_json::to_vec(&self.state).unwrap()).unwrap();
            }
            let expired = self.chain.as_ref().is_none_or(|chain| chain.validity.not_after <= self.now);
            let up = self.ca_up_since.map_or(Duration::ZERO, |since| between(since, self.now));
            assert!(
                !expired || up < 72 * HOUR,
                "seed {seed}: expired at {} with the CA up for {up:?}",
                self.now
            );
            // the daemon wakes at the next attempt's time, and looks again after each change of the clock
            let sleep = between(wall, next.at).clamp(Duration::from_secs(60), 6 * HOUR);
            let until = after(self.now, sleep).min(self.ca_until.max(after(self.now, HOUR / 60)));
            self.now = until.min(self.clock_until.max(after(self.now, HOUR / 60)));
        }
    }
}

fn name() -> Name {
    "example.org".parse().unwrap()
}

#[test]
fn simulate_ten_years() {
    let (mut certificates, mut orders) = (0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.run(seed);
        // a seed may have bad luck: some validations fail, and each costs an order
        let (of_seed, certified) = (world.orders, world.certificates);
        assert!(
            of_seed <= certified + certified / 5 + 3,
            "seed {seed}: {of_seed} orders for {certified} certificates"
        );
        certificates += world.certificates;
        orders += world.orders;
    }
    println!("{orders} orders for {certificates} certificates");
    assert!(certificates > 10_000);
    assert!(f64::from(orders) / f64::from(certificates) <= 1.1);
}
