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

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer to a command of the control socket, or why it was refused.
pub type Answer = Result<Value, String>;

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

    /// Returns what is wrong with it now.
    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Adds its metrics to a registry.
    fn register(self: Arc<Self>, registry: &mut Registry) {
        let _ = registry;
    }

    /// Returns numbers about it for /healthz and `monban reload`, such as `{"rules": 900}`.
    fn state(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Answers a command of the control socket. None: no such command.
    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        let _ = (command, arguments);
        Box::pin(std::future::ready(None))
    }

    /// Stops it. Nothing calls it afterwards.
    fn stop(self: Arc<Self>) -> impl Future<Output = ()> + Send;
}

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

/// A running part without its types.
pub trait AnyRunning: Send + Sync {
    /// The part itself, for those that know its type.
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
