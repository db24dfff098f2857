//! Parts: the components of the daemon, each with its own configuration section.
//!
//! A part is a folder in [`crate::parts`] around its library crate. Its [`Part`] implementation describes it to the
//! rest of the program: the daemon, the commands `check` and `init`, the API and its description iterate over the list
//! of parts and know none by name. The [`Spine`] holds the services that several parts need.

mod command;
mod named;
mod route;
mod running;
mod spine;
mod tables;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use console::PartRoutes;
use finding::{Fault, KeyPath};

use crate::config::{Config, Host, Section, SectionType};
use crate::failure::Failure;

pub use self::command::{Context, PartCommand, subcommand, subcommands};
pub use self::named::Named;
pub use self::route::Of;
pub use self::running::{Answer, AnyRunning, BoxFuture, Prepared, Running, changed};
pub use self::spine::{Acknowledge, ConsoleUrl, Declared, FINDINGS, Recorder, Spine};
pub use self::tables::Tables;

/// A part, as its folder describes it.
pub trait Part: Send + Sync + 'static {
    /// The part's section of the configuration.
    type Config: Section;
    /// The part while the daemon runs.
    type Running: Running<Config = Self::Config>;
    /// The part's name in logs, errors and on the control socket; also the namespace of its codes.
    const NAME: &'static str;
    /// The codes and kinds of events that the part declares.
    const TABLES: Tables = Tables::NONE;
    /// The part's commands, `monban NAME …`.
    const COMMANDS: &'static [PartCommand] = &[];
    /// Its keys in Markdown, for docs/user/configuration.md: a heading and a table for each table of the section.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test makes the page of it"))]
    const REFERENCE: &'static str;
    /// The part's folders of pages in web/src/parts.
    const PAGES: &'static [&'static str] = &[];

    /// Returns the faults of a configuration and of the files that it names. Creates and changes nothing. Keys are
    /// relative to the document.
    fn check(config: &Self::Config, host: &Host) -> Vec<Fault>;

    /// Returns remarks about a valid configuration.
    fn remarks(config: &Self::Config, host: &Host) -> Remarks {
        let _ = (config, host);
        Remarks::default()
    }

    /// Returns the addresses that the part listens on, each with its key. No two parts may use the same address.
    fn addresses(config: &Self::Config) -> Vec<(KeyPath, SocketAddr)> {
        let _ = config;
        Vec::new()
    }

    /// Returns the files and environment variables that the section names, for `monban backup`. Logs, sockets and other
    /// files that programs write are none.
    fn named(config: &Self::Config, host: &Host) -> Named {
        let _ = (config, host);
        Named::default()
    }

    /// Returns whether this configuration gives the part any work. The check refuses a configuration that gives no part
    /// any work.
    fn is_source(config: &Self::Config) -> bool {
        let _ = config;
        false
    }

    /// Returns a short summary of the configuration for `monban check`, such as `2 sites`.
    fn summary(config: &Self::Config) -> Option<String> {
        let _ = config;
        None
    }

    /// Returns the part's routes of the HTTP API. Each route declares its roles, see [`console::Routes`]; handlers get
    /// the part by [`Of`].
    fn routes() -> PartRoutes {
        PartRoutes::new()
    }

    /// Returns the part's lines of the file that `monban init` writes.
    fn example(setup: &Setup) -> Example {
        let _ = setup;
        Example::default()
    }

    /// Starts the part.
    fn start(
        config: Arc<Self::Config>,
        spine: Arc<Spine>,
    ) -> impl Future<Output = Result<Self::Running, Failure>> + Send;
}

/// The values that `monban init` writes into a configuration.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The first site's upstream.
    pub upstream: String,
    /// The first site's host name.
    pub host: String,
    /// The address of the first listener.
    pub listen: SocketAddr,
}

/// Lines of a configuration file. Commented keys begin with `#` alone, explanations with `# `.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// Lines of keys outside tables.
    pub keys: String,
    /// Lines of tables.
    pub tables: String,
}

impl Example {
    /// Creates an example of tables.
    pub fn tables(tables: impl Into<String>) -> Self {
        Self { keys: String::new(), tables: tables.into() }
    }
}

/// Remarks about a valid configuration. A start and a reload log all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Errors for `monban check`, such as a certificate that every client refuses.
    pub errors: Vec<Fault>,
    /// Suspicious settings.
    pub warnings: Vec<Fault>,
}

/// A part without its types, as an element of the list of parts.
pub trait AnyPart: Send + Sync {
    /// Returns the name.
    fn name(&self) -> &'static str;
    /// See [`Part::TABLES`].
    fn tables(&self) -> Tables;
    /// Returns the type of the section.
    fn section(&self) -> SectionType;
    /// See [`Part::check`].
    fn check(&self, config: &Config) -> Vec<Fault>;
    /// See [`Part::remarks`].
    fn remarks(&self, config: &Config) -> Remarks;
    /// See [`Part::addresses`].
    fn addresses(&self, config: &Config) -> Vec<(KeyPath, SocketAddr)>;
    /// See [`Part::named`].
    fn named(&self, config: &Config) -> Named;
    /// See [`Part::is_source`].
    fn is_source(&self, config: &Config) -> bool;
    /// See [`Part::summary`].
    fn summary(&self, config: &Config) -> Option<String>;
    /// See [`Part::COMMANDS`].
    fn commands(&self) -> &'static [PartCommand];
    /// See [`Part::REFERENCE`].
    #[cfg(test)]
    fn reference(&self) -> &'static str;
    /// See [`Part::PAGES`].
    fn pages(&self) -> &'static [&'static str];
    /// See [`Part::routes`].
    fn routes(&self) -> PartRoutes;
    /// See [`Part::example`].
    fn example(&self, setup: &Setup) -> Example;
    /// See [`Part::start`].
    fn start<'a>(
        &'a self,
        config: &'a Config,
        spine: Arc<Spine>,
    ) -> BoxFuture<'a, Result<Arc<dyn AnyRunning>, Failure>>;
}

/// An [`AnyPart`] for a [`Part`].
pub struct Entry<P>(std::marker::PhantomData<P>);

impl<P> Entry<P> {
    /// Creates the entry of the type.
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

    fn named(&self, config: &Config) -> Named {
        P::named(config.section(), &config.host)
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

    #[cfg(test)]
    fn reference(&self) -> &'static str {
        P::REFERENCE
    }

    fn pages(&self) -> &'static [&'static str] {
        P::PAGES
    }

    fn routes(&self) -> PartRoutes {
        P::routes()
    }

    fn example(&self, setup: &Setup) -> Example {
        P::example(setup)
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
