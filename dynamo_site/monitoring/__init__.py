"""What machines ask Dynamo about itself: is it alive, is it ready, how is it doing."""
