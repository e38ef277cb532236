"""The whole engine in one thread at a time: a seed chooses who goes on, who dies, what breaks, and what people do."""
