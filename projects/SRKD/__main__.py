"""``python -m projects.SRKD`` is ``srkd``."""

from projects.SRKD.commands.front import main

if __name__ == '__main__':
    main()
