//! A part while the daemon runs.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use finding::{Finding, KeyPath};
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};

use crate::config::{Config, Host, Section};
use crate::failure::Failure;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer to a command of the control socket, or the reason for a refusal.
pub type Answer = Result<Value, String>;

/// A running part.
pub trait Running: Send + Sync + 'static {
    /// The part's section of the configuration.
    type Config: Section;

    /// Prepares a new configuration. Everything that can fail happens here, and nothing changes yet.
    fn prepare(
        self: Arc<Self>,
        config: Arc<Self::Config>,
        host: Arc<Host>,
    ) -> impl Future<Output = Result<Prepared, Failure>> + Send;

    /// Returns the current findings of the part.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Adds the part's metrics to a registry.
    fn register(self: Arc<Self>, registry: &mut Registry) {
        let _ = registry;
    }

    /// Returns figures of the part for /healthz and `monban reload`, such as `{"rules": 900}`.
    fn state(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Answers a command of the control socket, or returns none for an unknown command.
    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        let _ = (command, arguments);
        Box::pin(std::future::ready(None))
    }

    /// Stops the part. Nothing calls it afterwards.
    fn stop(self: Arc<Self>) -> impl Future<Output = ()> + Send;
}

/// A configuration that is ready to take effect.
pub struct Prepared {
    /// Changed keys that take effect only after a restart.
    pub restart: Vec<KeyPath>,
    /// Applies the other changes. It cannot fail. If it is dropped, nothing changes.
    pub swap: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

impl Prepared {
    /// Creates a configuration with only keys that need a restart.
    pub fn restart(keys: impl IntoIterator<Item = KeyPath>) -> Self {
        Self::swap(|| {}).with_restart(keys)
    }

    /// Creates a configuration with a swap that does not wait.
    pub fn swap(swap: impl FnOnce() + Send + 'static) -> Self {
        Self::swap_and(async move { swap() })
    }

    /// Creates a configuration with a swap that may wait, for example for connections to end.
    pub fn swap_and(swap: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { restart: Vec::new(), swap: Box::new(|| Box::pin(swap)) }
    }

    /// Adds keys that need a restart.
    #[must_use]
    pub fn with_restart(mut self, keys: impl IntoIterator<Item = KeyPath>) -> Self {
        self.restart.extend(keys);
        self
    }
}

/// Returns those keys that have changed, each given with whether it has.
pub fn changed(keys: impl IntoIterator<Item = (&'static str, bool)>) -> impl Iterator<Item = KeyPath> {
    keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| KeyPath::from(key))
}

/// A running part without its types.
pub trait AnyRunning: Send + Sync {
    /// Returns the part itself, for code that knows its type.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
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
    /// See [`Running::stop`].
    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

impl<R: Running> AnyRunning for R {
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

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

    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(Running::stop(self))
    }
}
