//! Providers without containers: files, and what is polled.

use seaway_config::statics::StaticOptions;
use seaway_provider::UpdateSender;
use seaway_provider::file::FileProvider;
use seaway_provider::http::HttpProvider;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::planes::Failure;

/// The ones that the options ask for, checked and not yet started.
pub(crate) struct Sources {
    file: Option<FileProvider>,
    http: Option<HttpProvider>,
}

/// Has files read again.
pub(crate) struct Reload(Option<mpsc::UnboundedSender<()>>);

impl Sources {
    /// Finds what is wrong with the options.
    pub(crate) fn new(options: &StaticOptions) -> Result<Self, Failure> {
        let file = options.providers.file.as_ref().map(FileProvider::new).transpose().map_err(Failure::Option)?;
        let http = options.providers.http.as_ref().map(HttpProvider::new).transpose().map_err(Failure::Option)?;
        Ok(Self { file, http })
    }

    /// There is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none() && self.http.is_none()
    }

    /// Starts them.
    pub(crate) fn follow(self, runtime: &Runtime, updates: &UpdateSender) -> Reload {
        let file = self.file.map(|file| {
            tracing::info!(target: "seaway", "following {}", file.shown());
            let (reload, asked) = mpsc::unbounded_channel();
            runtime.spawn(file.run(updates.clone(), asked));
            reload
        });
        if let Some(http) = self.http {
            tracing::info!(target: "seaway", "asking {}", http.shown());
            runtime.spawn(http.run(updates.clone()));
        }
        Reload(file)
    }
}

impl Reload {
    /// True if there is somebody who will.
    pub(crate) fn ask(&self) -> bool {
        self.0.as_ref().is_some_and(|reload| reload.send(()).is_ok())
    }
}
