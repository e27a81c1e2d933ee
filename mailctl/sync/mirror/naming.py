"""Which folder of the Maildir is which of the server: for those that are known, and those that were made here."""

from collections.abc import Iterable, Mapping

from mailctl.domain.mailbox import Folder
from mailctl.sync.local.paths import FolderPath, assign
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.folders import name_of
from mailctl.sync.mirror.here import LocalFolder, Parts
from mailctl.sync.run import Run
from mailctl.sync.state import State


class Naming:
    """Of one look at both sides. there: the server's folders."""

    def __init__(self, run: Run, state: State, root: Root, there: Iterable[Folder]) -> None:
        self._run, self._root = run, root
        listed = {folder.name: folder for folder in there}
        self._delimiter = next((folder.delimiter for folder in listed.values() if folder.delimiter), None)
        self._everywhere = {**{name: Folder(name, b"", self._delimiter) for name in state.folders()}, **listed}

    def known(self) -> dict[str, FolderPath]:
        """Name → path of the server's folders, and of those that are remembered."""
        return assign(self._everywhere.values(), self._root.listing)

    def all(self, here: Mapping[Parts, LocalFolder]) -> dict[str, FolderPath]:
        """The same, with those that lie here and are new."""
        paths = self.known()
        taken = {path.parts for path in paths.values()}
        new: dict[str, Parts] = {}
        for parts, folder in here.items():
            if parts and parts not in taken:
                name = name_of(parts, self._delimiter, folder.name_file)
                if name is None or name in self._everywhere or name in new:
                    lying = "/".join(parts)
                    self._run.warn(f"the folder {lying} here is not synced: none of the server has that name")
                else:
                    new[name] = parts
        if not new:
            return paths
        made = (Folder(name, b"", self._delimiter) for name in new)
        paths = assign([*self._everywhere.values(), *made], self._root.listing)
        for name, parts in new.items():
            if paths[name].parts != parts:
                lying, due = "/".join(parts), paths[name]
                self._run.warn(f"the folder {lying} here is not synced; called {due} here, it becomes {name} there")
                del paths[name]
        return paths
