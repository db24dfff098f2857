//! Parts: the pieces of the daemon that have a configuration section each.
//!
//! A part is a folder in [`crate::parts`] around its library crate. It says everything that the rest of the program needs to
//! know about it in one [`Part`] implementation; the daemon, the commands `check` and `init`, the API and its description
//! go through the list of parts and know none by name. What several parts need is in the [`Spine`].

mod spine;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use finding::{AuditAction, Declaration, Fault, Finding, KeyPath, ProblemCode};
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};

use crate::config::{Config, Host, Section, SectionType};
use crate::failure::Failure;

pub use self::spine::{FINDINGS, Recorder, Spine};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A part, as its folder describes it.
pub trait Part: Send + Sync + 'static {
    /// Its section of the configuration.
    type Config: Section;
    /// The part while the daemon runs.
    type Running: Running<Config = Self::Config>;
    /// Its name in logs, errors and on the control socket; also the namespace of its codes.
    const NAME: &'static str;
    /// The codes that it declares.
    const TABLES: Tables = Tables::NONE;

    /// Returns the faults of a configuration and of the files that it names. Creates and changes nothing. Keys are those of the
    /// document.
    fn check(config: &Self::Config, host: &Host) -> Vec<Fault>;

    /// Returns remarks about a configuration that can run.
    fn remarks(config: &Self::Config, host: &Host) -> Remarks {
        let _ = (config, host);
        Remarks::default()
    }

    /// The addresses that it listens on, each with its key. No two parts may take the same.
    fn addresses(config: &Self::Config) -> Vec<(KeyPath, SocketAddr)> {
        let _ = config;
        Vec::new()
    }

    /// Whether it has something to do with this configuration, so that the daemon is not started for nothing.
    fn is_source(config: &Self::Config) -> bool {
        let _ = config;
        false
    }

    /// A few words on the configuration for `monban check`, such as `2 sites`.
    fn summary(config: &Self::Config) -> Option<String> {
        let _ = config;
        None
    }

    /// Its commands, `monban NAME …`.
    const COMMANDS: &'static [PartCommand] = &[];

    /// Starts it.
    fn start(
        config: Arc<Self::Config>,
        spine: Arc<Spine>,
    ) -> impl Future<Output = Result<Self::Running, Failure>> + Send;
}

/// A command of a part. Its type is a clap enum of subcommands.
#[derive(Clone, Copy)]
pub struct PartCommand {
    /// Its name.
    pub name: &'static str,
    /// Its description for clap.
    pub build: fn(name: &'static str) -> clap::Command,
    /// Runs it.
    pub run: fn(&clap::ArgMatches, &Config) -> Result<(), Failure>,
}

/// Describes a command whose subcommands are those of an enum.
pub fn subcommands<C: clap::Subcommand>(name: &'static str) -> clap::Command {
    C::augment_subcommands(clap::Command::new(name)).subcommand_required(true).arg_required_else_help(true)
}

/// Reads the subcommand of an enum.
///
/// # Errors
/// Clap has accepted something that the enum does not know: a fault of monban.
pub fn subcommand<C: clap::Subcommand>(matches: &clap::ArgMatches) -> Result<C, Failure> {
    C::from_arg_matches(matches)
        .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
}

/// The tables in which a part declares its codes.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// Findings, and messages of other programs that it knows.
    pub findings: &'static [&'static [Declaration]],
    /// Error answers of its routes.
    pub problems: &'static [&'static [ProblemCode]],
    /// Actions of the audit trail.
    pub actions: &'static [&'static [AuditAction]],
    /// Directives of other programs whose values `monban explain` shows with a code.
    pub settings: &'static [(&'static str, &'static [&'static str])],
}

impl Tables {
    /// No codes.
    pub const NONE: Self = Self { findings: &[], problems: &[], actions: &[], settings: &[] };
}

/// Remarks about a configuration that can run. A start and a reload log all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Errors for `monban check`, such as a certificate that every client refuses.
    pub errors: Vec<Fault>,
    /// Oddities.
    pub warnings: Vec<Fault>,
}

/// A part that runs.
pub trait Running: Send + Sync + 'static {
    /// Its section of the configuration.
    type Config: Section;

    /// Prepares another configuration: everything that can fail happens here, and nothing changes yet.
    fn prepare(
        self: Arc<Self>,
        config: Arc<Self::Config>,
        host: Arc<Host>,
    ) -> impl Future<Output = Result<Prepared, Failure>> + Send;

    /// What is wrong with it now.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Adds its metrics to a registry.
    fn register(self: Arc<Self>, registry: &mut Registry) {
        let _ = registry;
    }

    /// Numbers about it for /healthz and `monban reload`, such as `{"rules": 900}`.
    fn state(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Answers a command of the control socket. None: no such command.
    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        let _ = (command, arguments);
        Box::pin(std::future::ready(None))
    }

    /// Does what is due once a minute, such as saving. May block.
    fn tend(&self) {}

    /// Stops it. Nothing calls it afterwards.
    fn stop(self: Arc<Self>) -> impl Future<Output = ()> + Send;
}

/// The answer to a command of the control socket, or why it was refused.
pub type Answer = Result<Value, String>;

/// A configuration that can be put in force.
pub struct Prepared {
    /// Keys that differ and that only a restart puts in force.
    pub restart: Vec<KeyPath>,
    /// Puts the rest in force. It cannot fail; dropped, it leaves everything as it was.
    pub swap: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

impl Prepared {
    /// Only keys that need a restart.
    pub fn restart(restart: Vec<KeyPath>) -> Self {
        Self { restart, swap: Box::new(|| Box::pin(async {})) }
    }

    /// A swap that waits for nothing.
    pub fn swap(swap: impl FnOnce() + Send + 'static) -> Self {
        Self::swap_and(async move { swap() })
    }

    /// A swap that may wait, such as for connections to end.
    pub fn swap_and(swap: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { restart: Vec::new(), swap: Box::new(|| Box::pin(swap)) }
    }

    /// Adds keys that need a restart.
    #[must_use]
    pub fn with_restart(mut self, keys: Vec<KeyPath>) -> Self {
        self.restart.extend(keys);
        self
    }
}

/// A part without its types, as an element of the list of parts.
pub trait AnyPart: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// See [`Part::TABLES`].
    fn tables(&self) -> Tables;
    /// Its section.
    fn section(&self) -> SectionType;
    /// See [`Part::check`].
    fn check(&self, config: &Config) -> Vec<Fault>;
    /// See [`Part::remarks`].
    fn remarks(&self, config: &Config) -> Remarks;
    /// See [`Part::addresses`].
    fn addresses(&self, config: &Config) -> Vec<(KeyPath, SocketAddr)>;
    /// See [`Part::is_source`].
    fn is_source(&self, config: &Config) -> bool;
    /// See [`Part::summary`].
    fn summary(&self, config: &Config) -> Option<String>;
    /// See [`Part::COMMANDS`].
    fn commands(&self) -> &'static [PartCommand];
    /// See [`Part::start`].
    fn start<'a>(
        &'a self,
        config: &'a Config,
        spine: Arc<Spine>,
    ) -> BoxFuture<'a, Result<Arc<dyn AnyRunning>, Failure>>;
}

/// A running part without its types.
pub trait AnyRunning: Send + Sync {
    /// See [`Running::prepare`].
    fn prepare(self: Arc<Self>, config: &Config) -> BoxFuture<'static, Result<Prepared, Failure>>;
    /// See [`Running::findings`].
    fn findings(&self) -> Vec<Finding>;
    /// See [`Running::register`].
    fn register(self: Arc<Self>, registry: &mut Registry);
    /// See [`Running::state`].
    fn state(&self) -> Map<String, Value>;
    /// See [`Running::control`].
    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>>;
    /// See [`Running::tend`].
    fn tend(&self);
    /// See [`Running::stop`].
    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// Makes an [`AnyPart`] of a [`Part`].
pub struct Entry<P>(std::marker::PhantomData<P>);

impl<P> Entry<P> {
    /// The entry of the type.
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<P: Part> AnyPart for Entry<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn tables(&self) -> Tables {
        P::TABLES
    }

    fn section(&self) -> SectionType {
        SectionType::of::<P::Config>()
    }

    fn check(&self, config: &Config) -> Vec<Fault> {
        P::check(config.section(), &config.host)
    }

    fn remarks(&self, config: &Config) -> Remarks {
        P::remarks(config.section(), &config.host)
    }

    fn addresses(&self, config: &Config) -> Vec<(KeyPath, SocketAddr)> {
        P::addresses(config.section())
    }

    fn is_source(&self, config: &Config) -> bool {
        P::is_source(config.section())
    }

    fn summary(&self, config: &Config) -> Option<String> {
        P::summary(config.section())
    }

    fn commands(&self) -> &'static [PartCommand] {
        P::COMMANDS
    }

    fn start<'a>(
        &'a self,
        config: &'a Config,
        spine: Arc<Spine>,
    ) -> BoxFuture<'a, Result<Arc<dyn AnyRunning>, Failure>> {
        Box::pin(async move {
            let running = P::start(config.shared(), spine).await?;
            Ok(Arc::new(running) as Arc<dyn AnyRunning>)
        })
    }
}

impl<R: Running> AnyRunning for R {
    fn prepare(self: Arc<Self>, config: &Config) -> BoxFuture<'static, Result<Prepared, Failure>> {
        Box::pin(Running::prepare(self, config.shared(), Arc::clone(&config.host)))
    }

    fn findings(&self) -> Vec<Finding> {
        Running::findings(self)
    }

    fn register(self: Arc<Self>, registry: &mut Registry) {
        Running::register(self, registry);
    }

    fn state(&self) -> Map<String, Value> {
        Running::state(self)
    }

    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        Running::control(self, command, arguments)
    }

    fn tend(&self) {
        Running::tend(self);
    }

    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(Running::stop(self))
    }
}
