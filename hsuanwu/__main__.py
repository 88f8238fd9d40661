"""``python -m hsuanwu`` does what ``hsuanwu-train`` does."""

from hsuanwu.cli import train

if __name__ == "__main__":
    train()
