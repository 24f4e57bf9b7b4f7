//! Code that must not compile, each beside a twin that compiles and differs in one line.
//!
//! For the doctests only.

/// Streaming takes a `Live`. Not a `Pending`:
///
/// ```compile_fail,E0599
/// # use futures::stream::empty;
/// let pending = hangup::Scope::new().open()?;
/// let body = pending.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// # use futures::stream::empty;
/// let pending = hangup::Scope::new().open()?;
/// let body = pending.register()?.go_live()?.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nor a `Registering`:
///
/// ```compile_fail,E0599
/// # use futures::stream::empty;
/// let setup = hangup::Scope::new().open()?.register()?;
/// let body = setup.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// # use futures::stream::empty;
/// let setup = hangup::Scope::new().open()?.register()?;
/// let body = setup.go_live()?.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
struct StreamingBeforeLive;

/// Joining takes a `Registering`. Not a `Pending`:
///
/// ```compile_fail,E0599
/// # let workers = hangup::Registry::new(hangup::Conflict::Replace);
/// let mut connection = hangup::Scope::new().open()?;
/// connection.join(&workers, "ada", ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// # let workers = hangup::Registry::new(hangup::Conflict::Replace);
/// let mut connection = hangup::Scope::new().open()?.register()?;
/// connection.join(&workers, "ada", ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nor a `Live`:
///
/// ```compile_fail,E0599
/// # let workers = hangup::Registry::new(hangup::Conflict::Replace);
/// let mut connection = hangup::Scope::new().open()?.register()?.go_live()?;
/// connection.join(&workers, "ada", ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// # let workers = hangup::Registry::new(hangup::Conflict::Replace);
/// let mut connection = hangup::Scope::new().open()?.register()?;
/// connection.join(&workers, "ada", ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The same goes for every way to acquire:
///
/// ```compile_fail,E0599
/// let mut connection = hangup::Scope::new().open()?;
/// connection.hold("a permit")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let mut connection = hangup::Scope::new().open()?.register()?;
/// connection.hold("a permit")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
struct AcquiringOutsideSetUp;

/// A transition consumes its owner:
///
/// ```compile_fail,E0382
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let live = setup.go_live()?;
/// setup.hold("a permit")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let live = setup.handle();
/// setup.hold("a permit")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// So does the stream:
///
/// ```compile_fail,E0382
/// # use futures::stream::empty;
/// let live = hangup::Scope::new().open()?.register()?.go_live()?;
/// let first = live.stream(empty::<u8>());
/// let second = live.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// # use futures::stream::empty;
/// let live = hangup::Scope::new().open()?.register()?.go_live()?;
/// let first = live.handle();
/// let second = live.stream(empty::<u8>());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// And nothing goes on while a step is in flight:
///
/// ```compile_fail,E0499
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let step = setup.run(async {});
/// setup.hold("a permit")?;
/// drop(step);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let step = async {};
/// setup.hold("a permit")?;
/// drop(step);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
struct UsingAnOwnerAfterItsTransition;

/// A `Live` comes from `go_live` alone:
///
/// ```compile_fail,E0451
/// fn rebuild(live: hangup::Live) -> hangup::Live {
///     hangup::Live { ..live }
/// }
/// ```
/// ```
/// fn rebuild(live: hangup::Live) -> hangup::Live {
///     hangup::Live::from(live)
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn live() -> Result<hangup::Live, Box<dyn std::error::Error>> {
///     Ok(hangup::Scope::new().open()?.register()?.into())
/// }
/// ```
/// ```
/// fn live() -> Result<hangup::Live, Box<dyn std::error::Error>> {
///     Ok(hangup::Scope::new().open()?.register()?.go_live()?)
/// }
/// ```
struct BuildingALiveByHand;

/// A connection has one owner:
///
/// ```compile_fail,E0599
/// let first = hangup::Scope::new().open()?.register()?.go_live()?;
/// let second = first.clone();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let first = hangup::Scope::new().open()?.register()?.go_live()?;
/// let second = first.handle().clone();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// And a handle is none:
///
/// ```compile_fail,E0599
/// let first = hangup::Scope::new().open()?;
/// let second = first.handle().register()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let first = hangup::Scope::new().open()?;
/// let second = first.register()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
struct TwoOwnersOfOneConnection;

/// An undo comes with what it undoes. Once live, that is a step:
///
/// ```compile_fail,E0599
/// let mut live = hangup::Scope::new().open()?.register()?.go_live()?;
/// live.on_close(|| ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let mut live = hangup::Scope::new().open()?.register()?.go_live()?;
/// let _step = live.step(async {}).undo(|| ());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// And what is kept of a step comes from inside it: nothing comes between.
///
/// ```compile_fail,E0499
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let step = setup.run(async { "a guard" });
/// setup.hold("a guard")?;
/// drop(step);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// ```
/// let mut setup = hangup::Scope::new().open()?.register()?;
/// let step = setup.run(async { "a guard" });
/// let step = step.hold(|guard| (guard, ()));
/// drop(step);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
struct AnUndoWithoutItsStep;

/// A goodbye is said once, and not after the undo:
///
/// ```compile_fail,E0382
/// # async fn twice(closing: hangup::Closing) {
/// closing.farewell(|_| async {}).await;
/// closing.farewell(|_| async {}).await;
/// # }
/// ```
/// ```
/// # async fn once(closing: hangup::Closing) {
/// closing.closed();
/// closing.farewell(|_| async {}).await;
/// # }
/// ```
///
/// And a connection that is closing does not go on:
///
/// ```compile_fail,E0599
/// # async fn again(closing: hangup::Closing) {
/// closing.run(async {}).await;
/// # }
/// ```
/// ```
/// # async fn again(live: hangup::Live) {
/// let _ended = live.run(async {}).await;
/// # }
/// ```
struct GoingOnAfterTheClose;

/// A connection that is held open has no owner: nothing streams on it, and nothing drops it.
///
/// ```compile_fail,E0382
/// # use futures::stream::empty;
/// # let idle = hangup::Deadlines::new().idle(std::time::Duration::from_secs(9));
/// # let scope = hangup::Scope::builder().deadlines(idle).swept_by_hand().build();
/// let live = scope.live()?;
/// let handle = live.hold_open()?;
/// let body = live.stream(empty::<u8>());
/// # Ok::<(), hangup::Error>(())
/// ```
/// ```
/// # use futures::stream::empty;
/// # let idle = hangup::Deadlines::new().idle(std::time::Duration::from_secs(9));
/// # let scope = hangup::Scope::builder().deadlines(idle).swept_by_hand().build();
/// let live = scope.live()?;
/// let handle = live.handle();
/// let body = live.stream(empty::<u8>());
/// # Ok::<(), hangup::Error>(())
/// ```
struct OwningWhatIsHeldOpen;
