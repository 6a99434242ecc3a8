"""A render farm for neural style transfer."""
